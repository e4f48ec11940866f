// Package webhooks tells the systems of customers what happened.
package webhooks

import (
	"context"
	"errors"
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
	// Workers is how many calls of Send may be under way at a time.
	Workers int
	// Attempts is how often a message is tried before it counts as failed.
	Attempts int
	// Pause is the time between the first attempt and the second. Each further pause is twice as long as the one
	// before.
	Pause time.Duration
	// Sleep waits for a duration, or until ctx is done; then it returns the context's error. Tests bring their own.
	Sleep func(ctx context.Context, duration time.Duration) error
}

// Stats counts messages that are done with.
type Stats struct {
	Delivered int
	Failed    int
}

// Queue sends messages in the background.
//
//   - The messages of one customer are sent one after the other, in the order in which they came. The next one is sent
//     when the one before is delivered, or has failed for good.
//   - Messages of different customers do not wait for one another, except that no more than Options.Workers calls of
//     Send are under way at a time. A message that pauses between two attempts does not count.
//   - A message that fails is tried Options.Attempts times in all, with pauses in between.
//
// All methods may be called from several goroutines at once.
type Queue struct {
	send     Send
	options  Options
	messages chan Message
	closed   bool
	stats    Stats
}

// New returns a queue that delivers with send.
func New(send Send, options Options) *Queue {
	if options.Sleep == nil {
		options.Sleep = sleep
	}
	queue := &Queue{send: send, options: options, messages: make(chan Message, 1000)}
	for i := 0; i < options.Workers; i++ {
		go queue.work()
	}
	return queue
}

// Add accepts a message, and does not wait until it is sent. After Close it returns ErrClosed.
func (q *Queue) Add(message Message) error {
	if q.closed {
		return ErrClosed
	}
	q.messages <- message
	return nil
}

// Close accepts no more messages, and waits until all those accepted are delivered or have failed for good.
//
// When ctx is done before, the context of every call of Send and Sleep that is under way is done too, what is left
// counts as failed, and the error of ctx is returned. Either way, no goroutine of the queue is left when Close returns.
// Closing a second time waits in the same way.
func (q *Queue) Close(ctx context.Context) error {
	q.closed = true
	close(q.messages)
	return nil
}

// Stats returns the numbers so far.
func (q *Queue) Stats() Stats {
	return q.stats
}

func (q *Queue) work() {
	for message := range q.messages {
		for q.send(context.Background(), message) != nil {
		}
		q.stats.Delivered++
	}
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
