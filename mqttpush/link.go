package mqttpush

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"intercom/identity"
)

const (
	pingTimeout    = time.Second
	writeTimeout   = time.Second      // for one packet to leave for the kernel
	steady         = 10 * time.Second // a connection that stood so long was a good one
	firstWait      = 500 * time.Millisecond
	maxWait        = 10 * time.Second
	maxDeaf        = 8            // doublings of echoTime: 43 min
	maxUnconfirmed = 2 * inFlight // publishes that one connection may leave unconfirmed
	endTime        = time.Second  // for paho's goroutines to end, once their connection is closed; takes < 1 ms
)

// link is one connection to the broker.
type link struct {
	client      mqtt.Client // nil until logged in: paho runs nothing before
	conn        *watchedConn
	number      uint64        // of this Transport, from 1
	slots       chan struct{} // one for each publish in flight
	unconfirmed atomic.Int32
	heard       chan struct{} // this process's own presence came back
}

// lost is closed when the connection ended, for whatever reason: paho closes
// it then, too.
func (l *link) lost() <-chan struct{} { return l.conn.closed }

// end closes the connection and waits for paho's goroutines. A second
// Disconnect only waits for what the first, or a lost connection, began.
func (l *link) end() {
	l.conn.Close()
	if l.client != nil {
		l.client.Disconnect(uint(endTime.Milliseconds()))
	}
}

// noteUnconfirmed counts a publish that was not confirmed in time. A broker
// that answers pings and confirms nothing is no broker, and each costs memory.
func (l *link) noteUnconfirmed() {
	if l.unconfirmed.Add(1) >= maxUnconfirmed {
		l.conn.fail(errors.New("the broker confirms no messages"))
	}
}

// keepConnected connects, and connects again, until ctx ends.
func (t *Transport) keepConnected(ctx context.Context) {
	var number uint64
	failures := 0 // connections in a row that were refused or did not stand
	for {
		timer := time.NewTimer(waitBefore(failures, rand.Float64()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		number++
		l, err := t.connect(ctx, number)
		if ctx.Err() != nil && l == nil {
			return
		}
		if err != nil {
			t.counters.add("connect_failed")
			failures++
			t.logFailure(failures, err)
			continue
		}
		since := time.Now()
		t.serve(ctx, l)
		if ctx.Err() != nil {
			return
		}
		t.counters.add("lost")
		t.cfg.Log.Warn("mqtt: connection lost", "broker", t.cfg.URL, "connection", number, "err", l.conn.cause(), "stood", time.Since(since))
		failures++
		if time.Since(since) >= steady {
			failures = 0
		}
	}
}

// waitBefore is how long to wait after so many failures in a row: not at all
// before the first attempt and after a good connection was lost, then 0.5 s to
// 10 s, doubled each time, of which jitter (0 to 1) takes up to a half, so that
// a house of stations does not come back all at once.
func waitBefore(failures int, jitter float64) time.Duration {
	if failures == 0 {
		return 0
	}
	wait := maxWait
	if failures <= 5 { // 0.5 s << 5 is past maxWait
		wait = min(firstWait<<(failures-1), maxWait)
	}
	return wait - time.Duration(jitter*float64(wait)/2)
}

// logFailure warns of the 1st, 2nd, 4th, 8th... failure in a row.
func (t *Transport) logFailure(failures int, err error) {
	log := t.cfg.Log.Debug
	if failures&(failures-1) == 0 {
		log = t.cfg.Log.Warn
	}
	log("mqtt: can't connect", "broker", t.cfg.URL, "failures", failures, "err", err)
}

// serve keeps l in use until it is lost or ctx ends.
func (t *Transport) serve(ctx context.Context, l *link) {
	t.counters.add("connected")
	t.cfg.Log.Info("mqtt: connected", "broker", t.cfg.URL, "connection", l.number)
	t.up.Store(l)
	t.send(t.presence(l, true), nil)
	if t.cfg.OnState != nil {
		t.cfg.OnState(true)
	}
	t.listenIn(ctx, l)
	t.up.Store(nil)
	l.end()
	if t.cfg.OnState != nil {
		t.cfg.OnState(false)
	}
}

// listenIn returns when l is lost or ctx ends. A broker may lose a subscription
// that it has granted, or deliver less than that; the device would be connected,
// and no ring would reach it. So it listens for what it says itself. One that
// never hears itself (the broker's rules forbid it) keeps each connection twice
// as long as the last, since what it was called for may get through.
func (t *Transport) listenIn(ctx context.Context, l *link) {
	wait := t.cfg.echoTime << min(t.deaf, maxDeaf)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for asked := true; ; {
		select {
		case <-ctx.Done():
			l.client.Disconnect(uint(quitTime.Milliseconds()))
			return
		case <-l.lost():
			return
		case <-l.heard:
			asked, t.deaf = false, 0
			timer.Reset(t.cfg.echoEvery)
		case <-timer.C:
			if asked {
				t.deaf++
				t.counters.add("deaf")
				l.conn.fail(fmt.Errorf("the broker did not deliver within %v what this device had subscribed to; let it read %s", wait, t.topics.presences))
				return
			}
			asked, wait = true, t.cfg.echoTime
			t.send(t.presence(l, true), nil)
			timer.Reset(wait)
		}
	}
}

// connect makes one attempt: network, TLS, MQTT and subscriptions.
func (t *Transport) connect(ctx context.Context, number uint64) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.ConnectTimeout)
	defer cancel()
	conn, err := t.dial(ctx)
	if err != nil {
		return nil, err
	}
	l := &link{conn: conn, number: number, slots: make(chan struct{}, inFlight), heard: make(chan struct{}, 1)}
	stop := context.AfterFunc(ctx, func() { conn.fail(context.Cause(ctx)) }) // ends every wait below
	defer stop()
	if err = t.logIn(l); err == nil {
		err = t.subscribe(l)
	}
	if err == nil && !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		l.end()
		return nil, err
	}
	return l, nil
}

func (t *Transport) dial(ctx context.Context) (*watchedConn, error) {
	conn, err := Dial(ctx, t.addr)
	if err != nil {
		return nil, err // names the address
	}
	conn = quickAck(conn)
	if t.tls != nil {
		secured := tls.Client(conn, t.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			conn.Close()
			remedy := "does the broker speak TLS there?"
			switch {
			case errors.As(err, new(x509.UnknownAuthorityError)):
				remedy = "give the broker's certificate as ca in [broker]"
			case errors.As(err, new(x509.HostnameError)):
				remedy = "name the broker in url as its certificate does"
			case errors.As(err, new(x509.CertificateInvalidError)):
				remedy = "the broker needs a new certificate"
			}
			return nil, fmt.Errorf("TLS with %s: %w; %s", t.addr, err, remedy)
		}
		conn = secured
	}
	return watch(conn, len(t.topics.filters())), nil
}

func (t *Transport) logIn(l *link) error {
	o, err := t.options(l)
	if err != nil {
		return err
	}
	client := mqtt.NewClient(o)
	token := client.Connect().(*mqtt.ConnectToken)
	<-token.Done() // ctx closes the connection
	err = token.Error()
	switch {
	case err == nil:
		l.client = client
		return nil
	case token.ReturnCode() == packets.ErrNetworkError:
		return fmt.Errorf("log in at %s: %w", t.addr, l.conn.explain(err))
	default:
		return fmt.Errorf("log in at %s: the broker refused this device; check its access token and clock, and what the broker allows: %w", t.addr, err)
	}
}

// options sets all that paho's defaults get wrong here: MQTT 3.1 after a
// failure, reconnection on its own, long timeouts.
func (t *Transport) options(l *link) (*mqtt.ClientOptions, error) {
	will := t.presence(l, false)
	o := mqtt.NewClientOptions().
		SetClientID(clientID(t.cfg.Self)).
		SetProtocolVersion(4). // MQTT 3.1.1
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetConnectTimeout(t.cfg.ConnectTimeout).
		SetKeepAlive(t.cfg.KeepAlive).
		SetPingTimeout(pingTimeout).
		SetWriteTimeout(writeTimeout).
		SetBinaryWill(will.topic, will.data, qos, will.retained).
		// In order, one at a time: safe since onMessage never waits, and bounded.
		SetOrderMatters(true).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { t.onMessage(l, m) }).
		AddBroker("mqtt://" + t.addr). // paho wants one; the connection is made already
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return l.conn, nil })
	if t.cfg.Sealer != nil {
		user, password, err := t.credentials()
		if err != nil {
			return nil, err
		}
		o.SetUsername(user).SetPassword(password)
	}
	return o, nil
}

// credentials are a device's name and proof of it, made anew for each
// connection. Package broker checks them.
func (t *Transport) credentials() (user, password string, err error) {
	self := t.cfg.Self
	sealed, err := t.cfg.Sealer.Seal(identity.Envelope{
		ID:   identity.NewID(),
		Type: "mqtt-connect",
		To:   identity.Address{Service: self.Service, User: self.User, Device: self.Device},
	})
	if err != nil {
		return "", "", fmt.Errorf("seal the credentials: %w", err)
	}
	return self.Service + "/" + self.User + "/" + self.Device, string(sealed), nil
}

// subscribe subscribes and checks that the broker granted everything: paho's
// error is nil for a refused subscription.
func (t *Transport) subscribe(l *link) error {
	filters := make(map[string]byte)
	for _, f := range t.topics.filters() {
		filters[f] = qos
	}
	token := l.client.SubscribeMultiple(filters, nil)
	select {
	case <-token.Done():
	case <-l.lost():
		return fmt.Errorf("subscribe: %w", l.conn.cause())
	}
	if err := token.Error(); err != nil {
		return fmt.Errorf("subscribe: %w", l.conn.explain(err))
	}
	granted := token.(*mqtt.SubscribeToken).Result()
	for _, f := range t.topics.filters() {
		if code, ok := granted[f]; !ok || code > 2 {
			l.client.Disconnect(uint(quitTime.Milliseconds()))
			return fmt.Errorf("the broker refused the subscription to %s (code %#x); let this device read it", f, code)
		}
	}
	return nil
}

// onMessage gets each message of a connection. It never waits.
func (t *Transport) onMessage(l *link, m mqtt.Message) {
	topic := m.Topic()
	switch {
	case t.topics.isPresence(topic):
		t.onPresence(l, topic, m.Payload(), m.Retained())
	case topic != t.topics.push && topic != t.topics.signal:
		t.counters.add("received_foreign")
	case m.Retained():
		t.counters.add("received_retained")
	case len(m.Payload()) > MaxPayload:
		t.counters.add("received_oversized")
	default:
		select {
		case t.in <- m.Payload():
		default:
			t.counters.add("received_queue_full")
		}
	}
}
