package mqttpush

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"time"

	"intercom/call"
)

const (
	defaultKeepAlive      = 2 * time.Second
	maxKeepAlive          = time.Minute
	defaultConnectTimeout = 5 * time.Second
)

// check fills in the defaults, and returns where to connect to and how.
func (c *Config) check() (addr string, tlsConfig *tls.Config, err error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
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
		tlsConfig = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12, Time: c.Now}
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
	return net.JoinHostPort(u.Hostname(), port), tlsConfig, nil
}

func loadCA(path string) (*x509.CertPool, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("mqttpush: read CA file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("mqttpush: CA file %s has no certificate in it; want PEM", path)
	}
	return pool, nil
}
