package mqttpush

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"time"

	"intercom/call"
	"intercom/internal/durable"
)

const (
	defaultKeepAlive      = 2 * time.Second
	maxKeepAlive          = time.Minute
	maxCAFile             = 1 << 20 // bytes; a system's whole bundle is 0.2 MB
	defaultConnectTimeout = 5 * time.Second
)

// check fills in the defaults, and returns where to connect to and how.
func (c *Config) check() (addr string, tlsConfig *tls.Config, err error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.echoTime == 0 {
		c.echoTime, c.echoEvery = echoTime, echoEvery
	}
	if c.KeepAlive == 0 {
		c.KeepAlive = defaultKeepAlive
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = defaultConnectTimeout
	}
	if s := c.Self; !call.ValidID(s.Service) || !call.ValidID(s.User) || !call.ValidID(s.Device) || !call.ValidID(s.Session) {
		return "", nil, fmt.Errorf("mqttpush: own address is %q; service, user, device and session are needed", s)
	}
	if c.KeepAlive < time.Second || c.KeepAlive > maxKeepAlive || c.KeepAlive%time.Second != 0 {
		return "", nil, fmt.Errorf("mqttpush: keep-alive is %v; want whole seconds, 1 s to %v", c.KeepAlive, maxKeepAlive)
	}
	if c.ConnectTimeout < 0 {
		return "", nil, fmt.Errorf("mqttpush: connect timeout is %v; want more than 0", c.ConnectTimeout)
	}
	return c.broker()
}

func (c *Config) broker() (addr string, tlsConfig *tls.Config, err error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return "", nil, fmt.Errorf("mqttpush: the broker's URL is not one; want mqtt://host or mqtts://host") // err would show a password
	}
	var port string
	switch u.Scheme {
	case "mqtt":
		port = "1883"
	case "mqtts":
		port = "8883"
		tlsConfig = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	default:
		return "", nil, fmt.Errorf("mqttpush: the broker's URL starts with %q; want mqtt://host or mqtts://host", u.Scheme)
	}
	if u.Hostname() == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return "", nil, fmt.Errorf("mqttpush: the broker's URL is %s; want %s://host or %[2]s://host:port and nothing else",
			u.Redacted(), u.Scheme)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if c.CAFile != "" {
		if tlsConfig == nil {
			return "", nil, fmt.Errorf("mqttpush: CA file %s is only used with mqtts://", c.CAFile)
		}
		if tlsConfig.RootCAs, err = loadCA(c.CAFile); err != nil {
			return "", nil, err
		}
	}
	if tlsConfig != nil {
		now := c.Now
		if now == nil {
			now = time.Now
		}
		tlsConfig.InsecureSkipVerify = true // verifyBroker does it, by another clock
		tlsConfig.VerifyConnection = func(s tls.ConnectionState) error { return verifyBroker(s.PeerCertificates, tlsConfig, now()) }
	}
	return net.JoinHostPort(u.Hostname(), port), tlsConfig, nil
}

// verifyBroker verifies the broker's certificate as crypto/tls does, but for the time: it is surely now or later, and a
// certificate that is valid from later on is the proof of a clock that is behind, not of a fault.
func verifyBroker(chain []*x509.Certificate, c *tls.Config, now time.Time) error {
	intermediates := x509.NewCertPool()
	for i, c := range chain {
		if i > 0 {
			intermediates.AddCert(c)
		}
		if c.NotBefore.After(now) {
			now = c.NotBefore
		}
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		DNSName: c.ServerName, // not the connection's, which is empty for an IP address (RFC 6066, section 3)
		Roots:   c.RootCAs, Intermediates: intermediates, CurrentTime: now,
	})
	return err
}

func loadCA(path string) (*x509.CertPool, error) {
	f, err := durable.Open(path)
	if err != nil {
		return nil, fmt.Errorf("mqttpush: read CA file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxCAFile+1))
	if err != nil {
		return nil, fmt.Errorf("mqttpush: read CA file: %w", err)
	}
	if len(data) > maxCAFile {
		return nil, fmt.Errorf("mqttpush: CA file %s is larger than %d bytes; want the authorities' certificates only", path, maxCAFile)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("mqttpush: CA file %s has no certificate in it; want PEM", path)
	}
	return pool, nil
}
