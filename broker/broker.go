package broker

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"sync"
	"syscall"

	mqtt "github.com/mochi-mqtt/server/v2"

	"intercom/identity"
)

// The broker's limits. A client that passes one is disconnected, except that a
// client that reads too slowly loses messages, and that over maxRetained a
// message is passed on but not kept.
const (
	maxPacket        = 20 << 10 // bytes: an envelope (16 KiB), its topic and room to spare
	maxClients       = 256      // more than the devices of one house
	maxInflight      = 256      // messages not yet confirmed, for each client and way
	maxSubscriptions = 64       // for each client
	maxRetained      = 1024     // a presence and a state of each client, twice over
	maxRetainedSize  = 1 << 10  // bytes: several times a presence
	maxRate          = 100      // messages a second from one connection, ten times what a call needs; more wait
	maxBurst         = 500      // that need not wait
)

// Config is what a Broker needs. Its zero value listens on a free port of
// every address, open to all.
type Config struct {
	// Listen is host:port; an empty host means every address of the machine,
	// port 0 a free one.
	Listen string
	// TLSCert and TLSKey are PEM files, both or none. With them the broker
	// speaks TLS 1.2 or later only.
	TLSCert, TLSKey string
	// Verifier tells who a client is; nil lets everyone in (see the package
	// comment).
	Verifier *identity.Verifier
	Log      *slog.Logger // nil: discard

	rate int // 0: maxRate
}

// Broker is a running broker. Any goroutine may use it.
type Broker struct {
	server   *mqtt.Server
	listener *listener
	close    sync.Once
}

// Start listens and serves until Close. Its error says which setting to
// change.
func Start(c Config) (*Broker, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	tlsConfig, err := loadTLS(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, err
	}
	l, err := listen(c.Listen, tlsConfig, c.Log)
	if err != nil {
		return nil, err
	}
	if c.Verifier == nil && !l.loopback() {
		c.Log.Warn("broker: open to everyone on the network; give it the service's authority to admit its devices only",
			"address", l.Address())
	}

	caps := mqtt.NewDefaultServerCapabilities()
	caps.MaximumClients = maxClients
	caps.MaximumClientWritesPending = maxInflight
	caps.MaximumInflight = maxInflight
	caps.ReceiveMaximum = maxInflight
	caps.MaximumPacketSize = maxPacket
	caps.MaximumSessionExpiryInterval = 0
	caps.MaximumMessageExpiryInterval = 0 // else a presence vanishes after a day
	caps.MaximumQos = 1
	caps.SharedSubAvailable = 0
	caps.TopicAliasMaximum = 0
	server := mqtt.New(&mqtt.Options{
		Capabilities: caps,
		// Its own log has payloads in it and warns of each connection with a
		// short keep-alive; the hook logs what a person needs.
		Logger: slog.New(slog.DiscardHandler),
		// Each publishing of $SYS stops the world to read memory statistics.
		SysTopicResendInterval: 1 << 30, // s: never
	})
	err = errors.Join(server.AddHook(&hook{server: server, listener: l, verifier: c.Verifier, log: c.Log, rate: cmp.Or(c.rate, maxRate)}, nil), server.AddListener(l))
	if err == nil {
		err = server.Serve()
	}
	if err != nil {
		l.Close(nil)
		server.Close()
		return nil, fmt.Errorf("broker: start: %w", err)
	}
	c.Log.Info("broker: listening", "address", l.Address(), "tls", tlsConfig != nil)
	return &Broker{server: server, listener: l}, nil
}

// Addr is the address that the broker listens on, with the real port.
func (b *Broker) Addr() string { return b.listener.Address() }

// Close closes every connection at once, without waiting for the other side,
// and returns when the goroutines that serve them are gone. Clients' last
// wills are not passed on: nobody is left to read them.
func (b *Broker) Close() error {
	b.close.Do(func() {
		b.listener.Close(nil) // first: closed connections can't block what follows
		b.server.Close()
	})
	return nil
}

func loadTLS(cert, key string) (*tls.Config, error) {
	if cert == "" && key == "" {
		return nil, nil
	}
	if cert == "" || key == "" {
		return nil, errors.New("broker: TLS needs a certificate and its key; set both files, or none")
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("broker: load TLS certificate %s and key %s: %w", cert, key, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

func listen(address string, tlsConfig *tls.Config, log *slog.Logger) (*listener, error) {
	inner, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	switch {
	case err == nil:
		return &listener{inner: inner, tls: tlsConfig, log: log, conns: make(map[*conn]struct{}), byClient: make(map[string]*conn)}, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("broker: listen on %s: the port is taken, perhaps by another broker; "+
			"stop that program or choose another port: %w", address, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("broker: listen on %s: not allowed; choose a port of 1024 or higher: %w", address, err)
	default:
		return nil, fmt.Errorf("broker: listen on %q: %w; want host:port with an address of this machine", address, err)
	}
}
