package mqttpush

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"intercom/call"
	"intercom/identity"
)

// MaxPayload is the largest message, in bytes, sent or received.
const MaxPayload = identity.MaxEnvelope

const (
	queueLength = 256                    // messages each way: a call of 8 devices has about 40 in its first second
	inFlight    = 32                     // sent and not yet confirmed
	sendTimeout = 2 * time.Second        // from Send to the broker's confirmation
	flushTime   = 350 * time.Millisecond // that Close gives to what was sent before it
	quitTime    = 100 * time.Millisecond // that Close gives to the DISCONNECT
	echoTime    = 10 * time.Second       // for this process's own presence to come back to it
	echoEvery   = 5 * time.Minute        // is how often it is sent, to see whether it does
)

// Why a message was not sent; what Send's done gets, reachable by errors.Is.
var (
	ErrNotConnected = errors.New("mqttpush: not connected to the broker")
	ErrQueueFull    = errors.New("mqttpush: too many messages wait to be sent")
	ErrTimeout      = errors.New("mqttpush: the broker did not confirm the message in time")
	ErrTooLarge     = errors.New("mqttpush: message is too large")
	ErrAddress      = errors.New("mqttpush: addressee is neither a user nor a process of a device")
	ErrClosed       = errors.New("mqttpush: closed")
)

// Config is what a Transport needs.
type Config struct {
	// URL is mqtt://host or mqtts://host, with a port unless it is 1883 or
	// 8883.
	URL string
	// CAFile holds the certificates to trust, PEM, for mqtts; "" means the
	// system's.
	CAFile string
	// Now is what the end of the broker's certificate is checked against,
	// never its beginning; nil means time.Now. A board whose clock may be
	// wrong gives identity.Floor's.
	Now func() time.Time
	// Self is this process: all four parts.
	Self call.Address
	// KeepAlive, in whole seconds, and a second more is how long a dead
	// connection goes unnoticed; 0 means 2 s.
	KeepAlive time.Duration
	// ConnectTimeout bounds one attempt, from name look-up to subscription; 0
	// means 5 s.
	ConnectTimeout time.Duration
	// Sealer proves this device to a broker that asks (package broker does);
	// nil sends no credentials.
	Sealer *identity.Sealer
	Log    *slog.Logger // nil: discard
	// Alone: no other process of this device is expected, and one is warned of.
	Alone bool
	// OnState, if not nil, is called when the connection comes up or goes,
	// from one goroutine of the Transport; it returns soon and does not call
	// Close. The first call is with true.
	OnState func(connected bool)

	echoTime, echoEvery time.Duration // 0: the constants
}

// Transport is a call.Transport over MQTT. Any goroutine may use it.
type Transport struct {
	cfg    Config
	addr   string      // host:port
	tls    *tls.Config // nil: none
	topics topics

	up  atomic.Pointer[link] // the connection in use; nil: none
	out chan outgoing
	in  chan []byte

	counters counters
	deaf     int // connections in a row that did not deliver; keepConnected's

	listening sync.Mutex // held while receive runs
	receive   func([]byte)

	stop    context.CancelFunc
	running sync.WaitGroup // every goroutine of the Transport
	pending sync.WaitGroup // every message in out or in flight
	done    chan struct{}  // closed at the end of Close

	mu     sync.Mutex // makes closed and what is put in out one step
	closed bool
}

var _ call.Transport = (*Transport)(nil)

// outgoing is one message on its way to the broker.
type outgoing struct {
	topic    string
	data     []byte
	retained bool
	link     *link // the only connection that it may take
	deadline time.Time
	done     func(error) // may be nil
}

// New checks the configuration and starts to connect; it does not wait for
// the network. An error says which field is wrong.
func New(cfg Config) (*Transport, error) {
	addr, tlsConfig, err := cfg.check()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	t := &Transport{
		cfg: cfg, addr: addr, tls: tlsConfig, topics: topicsOf(cfg.Self),
		out: make(chan outgoing, queueLength), in: make(chan []byte, queueLength),
		stop: stop, done: make(chan struct{}),
	}
	t.running.Go(func() { t.keepConnected(ctx) })
	t.running.Go(func() { t.drainOut(ctx) })
	t.running.Go(func() { t.drainIn(ctx) })
	return t, nil
}

// Connected reports whether a connection is up and subscribed, as far as
// known: a dead one is noticed after KeepAlive and a second.
func (t *Transport) Connected() bool { return t.up.Load() != nil }

// Send implements call.Transport. data must not be changed any more. done gets
// nil when the broker confirmed the message (that anyone received it, no
// broker says), or one of this package's errors after at most 2 s.
func (t *Transport) Send(to call.Address, data []byte, done func(error)) {
	topic, err := topicFor(to)
	if err == nil && len(data) > MaxPayload {
		err = ErrTooLarge
	}
	t.send(outgoing{topic: topic, data: data, done: done}, err)
}

// send queues o, for the connection that is up if it names none, unless err is
// set.
func (t *Transport) send(o outgoing, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o.link == nil {
		o.link = t.up.Load()
	}
	switch {
	case t.closed:
		err = ErrClosed
	case err == nil && o.link == nil:
		err = ErrNotConnected
	}
	if err == nil {
		err = t.queue(o)
	}
	if err == nil {
		return
	}
	t.counters.add(counterOf(err))
	if o.done == nil {
		return
	}
	if t.closed { // running is waited for already
		go o.done(err)
		return
	}
	t.running.Go(func() { o.done(err) })
}

// queue puts o in out; mu is held.
func (t *Transport) queue(o outgoing) error {
	o.deadline = time.Now().Add(sendTimeout)
	t.pending.Add(1)
	select {
	case t.out <- o:
		return nil
	default:
		t.pending.Done()
		return ErrQueueFull
	}
}

// finish tells the sender of a queued message what became of it.
func (t *Transport) finish(o outgoing, err error) {
	t.counters.add(counterOf(err))
	if o.done != nil {
		o.done(err)
	}
	t.pending.Done()
}

func (t *Transport) drainOut(ctx context.Context) {
	for {
		select {
		case o := <-t.out:
			t.publish(ctx, o)
		case <-ctx.Done():
			for { // closed is set: nothing comes after what is here
				select {
				case o := <-t.out:
					t.finish(o, ErrClosed)
				default:
					return
				}
			}
		}
	}
}

// publish hands o to the connection as soon as fewer than inFlight messages
// are unconfirmed, and leaves a goroutine to wait for its confirmation.
func (t *Transport) publish(ctx context.Context, o outgoing) {
	timer := time.NewTimer(time.Until(o.deadline))
	select {
	case o.link.slots <- struct{}{}:
	case <-o.link.lost():
		t.finish(o, ErrNotConnected)
		return
	case <-timer.C:
		t.finish(o, ErrTimeout)
		return
	case <-ctx.Done():
		t.finish(o, ErrClosed)
		return
	}
	token := o.link.client.Publish(o.topic, qos, o.retained, o.data)
	t.running.Go(func() {
		defer timer.Stop()
		var err error
		select {
		case <-token.Done():
			if err = token.Error(); err != nil {
				err = fmt.Errorf("%w: %w", ErrNotConnected, err)
			}
		case <-o.link.lost():
			err = fmt.Errorf("%w: it was lost before the message was confirmed", ErrNotConnected)
		case <-timer.C:
			err = ErrTimeout
			o.link.noteUnconfirmed()
		case <-ctx.Done():
			err = ErrClosed
		}
		<-o.link.slots
		t.finish(o, err)
	})
}

// Listen implements call.Transport. It must not be called by receive.
func (t *Transport) Listen(receive func(data []byte)) {
	t.listening.Lock()
	defer t.listening.Unlock()
	t.receive = receive
}

func (t *Transport) drainIn(ctx context.Context) {
	for {
		select {
		case data := <-t.in:
			t.deliver(data)
		case <-ctx.Done():
			return
		}
	}
}

func (t *Transport) deliver(data []byte) {
	t.listening.Lock()
	defer t.listening.Unlock()
	if t.receive == nil {
		t.counters.add("received_unheard")
		return
	}
	t.counters.add("received")
	t.receive(data)
}

// Counters is how often what happened since New:
//
//	connected, connect_failed, lost       connections
//	deaf                                  connections given up because this
//	                                      process did not hear itself
//	twin                                  another process of this device said
//	                                      that it is there
//	sent                                  messages that the broker confirmed,
//	                                      presence included
//	send_not_connected, send_queue_full,  messages that it did not, by reason
//	send_timeout, send_too_large,
//	send_address, send_closed
//	received                              messages given to receive
//	received_unheard                      came while nobody listened
//	received_queue_full                   came faster than receive returned
//	received_oversized                    over MaxPayload
//	received_retained                     push or signal with the retained flag
//	received_foreign                      for a topic that was not subscribed to
//
// What never happened is not in the map.
func (t *Transport) Counters() map[string]uint64 { return t.counters.all() }

// Close refuses new messages, gives what was sent before a third of a second
// to go out, says that this process is offline, disconnects, and waits for the
// Transport's goroutines: within half a second, unless a write to a dead
// connection hangs (a second more), or a done or receive does not return. No
// callback runs after Close has returned, but for a done given to Send after
// Close. It may be called more than once; each call waits.
func (t *Transport) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		<-t.done
		return nil
	}
	t.closed = true
	if l := t.up.Load(); l != nil {
		_ = t.queue(t.presence(l, false)) // when the queue is full, the will says it
	}
	t.mu.Unlock()

	flushed := make(chan struct{})
	t.running.Go(func() { t.pending.Wait(); close(flushed) })
	flush := time.NewTimer(flushTime)
	defer flush.Stop()
	select {
	case <-flushed:
	case <-flush.C: // without a DISCONNECT the will says what may not have gone out
		if l := t.up.Load(); l != nil {
			l.conn.fail(ErrClosed)
		}
	}
	t.stop()
	t.running.Wait()
	close(t.done)
	return nil
}

// counters counts by name.
type counters struct {
	mu sync.Mutex
	n  map[string]uint64
}

// add counts one more, and gives how many there are now.
func (c *counters) add(name string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = make(map[string]uint64)
	}
	c.n[name]++
	return c.n[name]
}

func (c *counters) all() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.n)
}

func counterOf(err error) string {
	switch {
	case err == nil:
		return "sent"
	case errors.Is(err, ErrQueueFull):
		return "send_queue_full"
	case errors.Is(err, ErrTimeout):
		return "send_timeout"
	case errors.Is(err, ErrTooLarge):
		return "send_too_large"
	case errors.Is(err, ErrAddress):
		return "send_address"
	case errors.Is(err, ErrClosed):
		return "send_closed"
	default:
		return "send_not_connected"
	}
}
