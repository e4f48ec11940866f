// Package webhooks tells the systems of customers what happened.
package webhooks

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrClosed is returned for a message that comes after Close.
var ErrClosed = errors.New("the queue is closed")

// Message is what one customer is told.
type Message struct {
	Customer string
	Text     string
}

// Send delivers a message to its customer. It may take long, and stops when ctx is done.
type Send func(ctx context.Context, message Message) error

// Options says how a Queue works.
type Options struct {
	Workers  int
	Attempts int
	Pause    time.Duration
	Sleep    func(ctx context.Context, duration time.Duration) error
}

// Stats counts messages that are done with.
type Stats struct {
	Delivered int
	Failed    int
}

// Queue sends messages in the background: one goroutine for each customer who has messages waiting.
type Queue struct {
	send    Send
	options Options
	workers chan struct{} // holds one for each call of send under way
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mutex   sync.Mutex
	waiting map[string][]Message // by customer; present while a goroutine serves the customer
	closed  bool
	stats   Stats
}

// New returns a queue that delivers with send.
func New(send Send, options Options) *Queue {
	if options.Sleep == nil {
		options.Sleep = sleep
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Queue{
		send:    send,
		options: options,
		workers: make(chan struct{}, options.Workers),
		ctx:     ctx,
		cancel:  cancel,
		waiting: map[string][]Message{},
	}
}

// Add accepts a message, and does not wait until it is sent. After Close it returns ErrClosed.
func (q *Queue) Add(message Message) error {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if q.closed {
		return ErrClosed
	}
	messages, served := q.waiting[message.Customer]
	q.waiting[message.Customer] = append(messages, message)
	if !served {
		q.running.Add(1)
		go q.serve(message.Customer)
	}
	return nil
}

// Close accepts no more messages, and waits until all those accepted are delivered or have failed for good.
func (q *Queue) Close(ctx context.Context) error {
	q.mutex.Lock()
	q.closed = true
	q.mutex.Unlock()
	done := make(chan struct{})
	go func() {
		q.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		q.cancel()
		return nil
	case <-ctx.Done():
		q.cancel()
		<-done
		return ctx.Err()
	}
}

// Stats returns the numbers so far.
func (q *Queue) Stats() Stats {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	return q.stats
}

// serve sends the messages of one customer until there are none.
func (q *Queue) serve(customer string) {
	defer q.running.Done()
	for {
		message, found := q.next(customer)
		if !found {
			return
		}
		err := q.deliver(message)
		q.mutex.Lock()
		if err == nil {
			q.stats.Delivered++
		} else {
			q.stats.Failed++
		}
		q.mutex.Unlock()
	}
}

func (q *Queue) next(customer string) (Message, bool) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	messages := q.waiting[customer]
	if len(messages) == 0 {
		delete(q.waiting, customer)
		return Message{}, false
	}
	q.waiting[customer] = messages[1:]
	return messages[0], true
}

func (q *Queue) deliver(message Message) error {
	pause := q.options.Pause
	for attempt := 1; ; attempt++ {
		err := q.try(message)
		if err == nil || q.ctx.Err() != nil || attempt >= q.options.Attempts {
			return err
		}
		if err := q.options.Sleep(q.ctx, pause); err != nil {
			return err
		}
		pause *= 2
	}
}

func (q *Queue) try(message Message) error {
	select {
	case q.workers <- struct{}{}:
	case <-q.ctx.Done():
		return q.ctx.Err()
	}
	defer func() { <-q.workers }()
	if err := q.ctx.Err(); err != nil { // both were possible
		return err
	}
	return q.send(q.ctx, message)
}

func sleep(ctx context.Context, duration time.Duration) error {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
