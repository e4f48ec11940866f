package webhooks

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"sync"
	"testing"
	"time"
)

var errDown = errors.New("the customer's system is down")

// recorder is a Send that keeps what it is asked to send; respond may be nil.
type recorder struct {
	mutex   sync.Mutex
	sent    []Message
	respond func(ctx context.Context, message Message) error
}

func (r *recorder) send(ctx context.Context, message Message) error {
	r.mutex.Lock()
	r.sent = append(r.sent, message)
	r.mutex.Unlock()
	if r.respond == nil {
		return nil
	}
	return r.respond(ctx, message)
}

func (r *recorder) texts(customer string) []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	texts := []string{}
	for _, message := range r.sent {
		if message.Customer == customer {
			texts = append(texts, message.Text)
		}
	}
	return texts
}

func noSleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

func options() Options {
	return Options{Workers: 4, Attempts: 3, Pause: time.Second, Sleep: noSleep}
}

func add(t *testing.T, queue *Queue, customer string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := queue.Add(Message{Customer: customer, Text: text}); err != nil {
			t.Fatalf("Add: %v", err)
		}
	}
}

// closeWithin fails the test if the queue does not close in time.
func closeWithin(t *testing.T, queue *Queue, ctx context.Context) error {
	t.Helper()
	closed := make(chan error, 1)
	go func() { closed <- queue.Close(ctx) }()
	select {
	case err := <-closed:
		return err
	case <-time.After(3 * time.Second):
		t.Fatal("Close does not return")
		return nil
	}
}

// eventually waits for a condition that becomes true soon.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("it does not come to this: %s", what)
}

func TestAMessageIsSent(t *testing.T) {
	r := &recorder{}
	queue := New(r.send, options())
	add(t, queue, "ada", "order 17 is paid")
	eventually(t, "the message is sent", func() bool { return len(r.texts("ada")) == 1 })
	closeWithin(t, queue, context.Background())
}

func TestAfterCloseNoMessageIsAccepted(t *testing.T) {
	queue := New((&recorder{}).send, options())
	closeWithin(t, queue, context.Background())
	if err := queue.Add(Message{Customer: "ada"}); !errors.Is(err, ErrClosed) {
		t.Errorf("Add after Close returns %v, want %v", err, ErrClosed)
	}
}

func TestCloseWaitsUntilEverythingIsSent(t *testing.T) {
	r := &recorder{respond: func(context.Context, Message) error {
		time.Sleep(time.Millisecond)
		return nil
	}}
	queue := New(r.send, options())
	for customer := 0; customer < 10; customer++ {
		add(t, queue, fmt.Sprint(customer), "1", "2", "3", "4", "5")
	}
	if err := closeWithin(t, queue, context.Background()); err != nil {
		t.Errorf("Close returns %v, want nil", err)
	}
	if want := (Stats{Delivered: 50}); queue.Stats() != want {
		t.Errorf("the numbers are %+v, want %+v", queue.Stats(), want)
	}
}

func TestClosingTwiceIsNoError(t *testing.T) {
	defer func() {
		if problem := recover(); problem != nil {
			t.Errorf("the second Close panics: %v", problem)
		}
	}()
	queue := New((&recorder{}).send, options())
	for i := 0; i < 2; i++ {
		if err := queue.Close(context.Background()); err != nil {
			t.Errorf("Close returns %v, want nil", err)
		}
	}
}

func TestMessagesOfOneCustomerKeepTheirOrder(t *testing.T) {
	r := &recorder{respond: func(_ context.Context, message Message) error {
		if message.Text == "1" {
			time.Sleep(20 * time.Millisecond)
		}
		return nil
	}}
	queue := New(r.send, options())
	var underWay, most int
	var mutex sync.Mutex
	inner := r.respond
	r.respond = func(ctx context.Context, message Message) error {
		mutex.Lock()
		underWay++
		if underWay > most {
			most = underWay
		}
		mutex.Unlock()
		defer func() { mutex.Lock(); underWay--; mutex.Unlock() }()
		return inner(ctx, message)
	}
	add(t, queue, "ada", "1", "2", "3", "4")
	eventually(t, "all four are sent", func() bool { return len(r.texts("ada")) == 4 })
	closeWithin(t, queue, context.Background())
	if want := []string{"1", "2", "3", "4"}; !reflect.DeepEqual(r.texts("ada"), want) {
		t.Errorf("sent in the order %v, want %v", r.texts("ada"), want)
	}
	if most != 1 {
		t.Errorf("%d messages of one customer were under way at a time, want 1", most)
	}
}

func TestAMessageThatFailsIsTriedAgainWithLongerPauses(t *testing.T) {
	var pauses []time.Duration
	failures := 3
	r := &recorder{respond: func(context.Context, Message) error {
		if failures == 0 {
			return nil
		}
		failures--
		return errDown
	}}
	o := options()
	o.Attempts = 5
	o.Sleep = func(_ context.Context, duration time.Duration) error {
		pauses = append(pauses, duration)
		return nil
	}
	queue := New(r.send, o)
	add(t, queue, "ada", "1")
	eventually(t, "it is sent four times", func() bool { return len(r.texts("ada")) == 4 })
	closeWithin(t, queue, context.Background())
	if want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}; !reflect.DeepEqual(pauses, want) {
		t.Errorf("the pauses are %v, want %v", pauses, want)
	}
}

func TestAMessageThatFailsForGoodMakesRoomForTheNext(t *testing.T) {
	r := &recorder{respond: func(ctx context.Context, message Message) error {
		if message.Text == "bad" {
			time.Sleep(time.Millisecond)
			return errDown
		}
		return nil
	}}
	queue := New(r.send, options())
	add(t, queue, "ada", "bad", "good")
	eventually(t, "both are done with", func() bool { return queue.Stats() == Stats{Delivered: 1, Failed: 1} })
	closeWithin(t, queue, context.Background())
	if want := []string{"bad", "bad", "bad", "good"}; !reflect.DeepEqual(r.texts("ada"), want) {
		t.Errorf("sent %v, want %v", r.texts("ada"), want)
	}
}

func TestACustomerWhoIsDownDoesNotStopTheOthers(t *testing.T) {
	release := make(chan struct{})
	r := &recorder{respond: func(_ context.Context, message Message) error {
		if message.Customer == "down" {
			time.Sleep(time.Millisecond)
			return errDown
		}
		return nil
	}}
	o := options()
	o.Sleep = func(ctx context.Context, _ time.Duration) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	queue := New(r.send, o)
	for i := 0; i < 10; i++ {
		add(t, queue, "down", fmt.Sprint(i))
	}
	add(t, queue, "up", "hello")
	eventually(t, "the other customer gets the message", func() bool { return len(r.texts("up")) == 1 })
	close(release)
	closeWithin(t, queue, context.Background())
}

func TestNoMoreCallsAreUnderWayThanThereAreWorkers(t *testing.T) {
	var mutex sync.Mutex
	underWay, most := 0, 0
	r := &recorder{respond: func(context.Context, Message) error {
		mutex.Lock()
		underWay++
		if underWay > most {
			most = underWay
		}
		mutex.Unlock()
		time.Sleep(2 * time.Millisecond)
		mutex.Lock()
		underWay--
		mutex.Unlock()
		return nil
	}}
	queue := New(r.send, options())
	for customer := 0; customer < 40; customer++ {
		add(t, queue, fmt.Sprint(customer), "hello")
	}
	eventually(t, "all are delivered", func() bool { return queue.Stats().Delivered == 40 })
	closeWithin(t, queue, context.Background())
	if most != 4 {
		t.Errorf("%d calls were under way at a time, want 4", most)
	}
}

func TestAddDoesNotWaitHoweverManyMessagesThereAre(t *testing.T) {
	release := make(chan struct{})
	r := &recorder{respond: func(context.Context, Message) error { <-release; return nil }}
	queue := New(r.send, options())
	added := make(chan struct{})
	go func() {
		for i := 0; i < 5000; i++ {
			queue.Add(Message{Customer: fmt.Sprint(i % 7), Text: fmt.Sprint(i)})
		}
		close(added)
	}()
	select {
	case <-added:
	case <-time.After(3 * time.Second):
		t.Error("Add waits")
	}
	close(release)
	eventually(t, "all are delivered", func() bool { return queue.Stats().Delivered == 5000 })
	closeWithin(t, queue, context.Background())
}

func TestCloseGivesUpWhenItsContextIsDone(t *testing.T) {
	before := runtime.NumGoroutine()
	r := &recorder{respond: func(ctx context.Context, _ Message) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Second):
			return nil
		}
	}}
	queue := New(r.send, options())
	for customer := 0; customer < 6; customer++ {
		add(t, queue, fmt.Sprint(customer), "1", "2")
	}
	eventually(t, "four are under way", func() bool {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		return len(r.sent) == 4
	})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := closeWithin(t, queue, ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close returns %v, want %v", err, context.DeadlineExceeded)
	}
	if want := (Stats{Failed: 12}); queue.Stats() != want {
		t.Errorf("the numbers are %+v, want %+v", queue.Stats(), want)
	}
	eventually(t, "no goroutine of the queue is left", func() bool { return runtime.NumGoroutine() <= before })
}

func TestItIsSafeToUseFromManyGoroutines(t *testing.T) {
	queue := New((&recorder{}).send, options())
	var adding sync.WaitGroup
	for g := 0; g < 20; g++ {
		adding.Add(1)
		go func(g int) {
			defer adding.Done()
			for i := 0; i < 50; i++ {
				queue.Add(Message{Customer: fmt.Sprint(g % 5), Text: fmt.Sprint(i)})
				queue.Stats()
			}
		}(g)
	}
	adding.Wait()
	if err := closeWithin(t, queue, context.Background()); err != nil {
		t.Errorf("Close returns %v, want nil", err)
	}
	if want := (Stats{Delivered: 1000}); queue.Stats() != want {
		t.Errorf("the numbers are %+v, want %+v", queue.Stats(), want)
	}
}
