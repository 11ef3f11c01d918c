package mqttpush

import (
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"intercom/broker"
	"intercom/call"
	"intercom/identity"
	"intercom/internal/testhouse"
)

// resident is a device that a house admitted.
type resident struct {
	testhouse.Device
	call.Sealer
}

func admit(t *testing.T, h testhouse.House, a call.Address) resident {
	t.Helper()
	d := h.Admit(t, identity.Address(a))
	return resident{d, NewSealer(d.Sealer, h.Verifier, d.Key, a)}
}

func TestSealAndOpen(t *testing.T) {
	h := testhouse.New(t)
	from, to := admit(t, h, door), admit(t, h, phone)
	for _, m := range []call.Message{
		{ID: "m1", Call: "c1", Type: call.TypeVerify, Bind: "n1", From: door, To: phone, Body: json.RawMessage(`{"nonce":"n1","offer":"v=0"}`)},
		{ID: "m2", Call: "c1", Type: call.TypePush, From: door, To: phone.UserAddress()},
	} {
		data, err := from.Seal(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := to.Open(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, got); diff != "" {
			t.Errorf("%s (-sent +opened):\n%s", m.Type, diff)
		}
	}
	lie := call.Message{ID: "m3", Type: call.TypeRinging, From: phone, To: phone}
	data, err := from.Seal(lie)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := to.Open(data); err != nil || got.From != door {
		t.Errorf("a message that claims to be from %s opens as from %s, %v; want from %s", lie.From, got.From, err, door)
	}
}

func TestOpenRefuses(t *testing.T) {
	h := testhouse.New(t)
	d, p := admit(t, h, door), admit(t, h, phone)
	stranger := admit(t, testhouse.New(t), door)
	seal := func(r resident, to call.Address) []byte {
		data, err := r.Seal(call.Message{ID: "m1", Type: call.TypePush, To: to})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	good := seal(d, phone)
	tests := []struct{ name, data, want string }{
		{"for another user", string(seal(d, address("other", "p1", "s1"))), "addressee"},
		{"for another device", string(seal(d, address("flat", "p2", "s1"))), "addressee"},
		{"for an earlier process", string(seal(d, address("flat", "p1", "s0"))), "addressee"},
		{"from a stranger", string(seal(stranger, phone)), "token"},
		{"changed", string(good[:len(good)-8]) + "AAAAAAAA", "signature"},
		{"nonsense", "ring!", "malformed"},
		{"too large", strings.Repeat("x", MaxPayload+1), "oversized"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := p.Open([]byte(tt.data))
			if got := kindOf(err); got != tt.want {
				t.Errorf("kind is %q (%v), want %q", got, err, tt.want)
			}
		})
	}
	if _, err := p.Open(good); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func kindOf(err error) string {
	var k interface{ Kind() string }
	if !errors.As(err, &k) {
		return ""
	}
	return k.Kind()
}

func TestCheckToken(t *testing.T) {
	h := testhouse.New(t)
	d := admit(t, h, door)
	if err := d.CheckToken(d.Token); err != nil {
		t.Errorf("own token: %v", err)
	}
	for name, token := range map[string]string{
		"another device's":                 admit(t, h, phone).Token,
		"for another key":                  admit(t, h, door).Token,
		"another house's":                  admit(t, testhouse.New(t), door).Token,
		"none, as the empty string shows:": "",
	} {
		if got := kindOf(d.CheckToken(token)); got != "token" {
			t.Errorf("%s: kind is %q, want token", name, got)
		}
	}
}

// TestAdmission is the whole way in: TLS, the device's proof, and the topics
// that the embedded broker lets it use.
func TestAdmission(t *testing.T) {
	h := testhouse.New(t)
	cert, key := testhouse.Certificate(t, "127.0.0.1")
	serve := func(host string) *broker.Broker {
		b, err := broker.Start(broker.Config{Listen: host + ":0", TLSCert: cert, TLSKey: key, Verifier: h.Verifier})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return b
	}
	b, elsewhere := serve("127.0.0.1"), serve("127.0.0.2") // the certificate is for the first
	as := func(r resident, set ...func(*Config)) func(*Config) {
		return func(c *Config) {
			c.URL, c.CAFile, c.Sealer = "mqtts://"+b.Addr(), cert, r.Device.Sealer
			for _, s := range set {
				s(c)
			}
		}
	}
	in1970 := func(c *Config) { c.Now = func() time.Time { return time.Unix(0, 0) } } // a clock that nobody has set
	d, p := newPeer(t, "", door, as(admit(t, h, door), in1970)), newPeer(t, "", phone, as(admit(t, h, phone)))
	d.waitState(t, true)
	p.waitState(t, true)
	if err := d.send(t, phone.UserAddress(), "ring"); err != nil {
		t.Fatal(err)
	}
	p.wants(t, "ring")
	if err := p.send(t, door, "accept"); err != nil {
		t.Fatal(err)
	}
	d.wants(t, "accept")
	eventually(t, "presence is confirmed", func() bool { return d.Counters()["sent"] == 2 })

	plain, err := broker.Start(broker.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plain.Close() })
	otherCA, _ := testhouse.Certificate(t, "127.0.0.1")
	_, port, _ := net.SplitHostPort(b.Addr())
	tests := []struct {
		name string
		set  func(*Config)
		want string
	}{
		{"a stranger", as(admit(t, testhouse.New(t), address("door", "d2", "s1"))), "refused this device"},
		{"nobody", as(resident{}), "refused this device"},
		{"another's credentials", as(admit(t, h, phone)), "refused this device"},
		{"a broker with another certificate", as(admit(t, h, door), func(c *Config) { c.CAFile = otherCA }), "as ca in [broker]"},
		{"a broker with another address", as(admit(t, h, door), func(c *Config) { c.URL = "mqtts://" + elsewhere.Addr() }), "in url as its certificate does"},
		{"a broker with another name", as(admit(t, h, door), func(c *Config) { c.URL = "mqtts://localhost:" + port }), "in url as its certificate does"},
		{"a certificate of the past", as(admit(t, h, door), func(c *Config) { c.Now = func() time.Time { return time.Now().Add(2 * time.Hour) } }), "needs a new certificate"},
		{"TLS with a broker without", as(admit(t, h, door), func(c *Config) { c.URL = "mqtts://" + plain.Addr() }), "does the broker speak TLS there?"},
		{"a plain connection", as(admit(t, h, door), func(c *Config) { c.URL, c.CAFile = "mqtt://"+b.Addr(), "" }), "log in at"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log := &lines{}
			x := newPeer(t, "", address("door", "d2", "s1"), tt.set, func(c *Config) { c.Log = log.logger() })
			eventually(t, "it is logged", func() bool { return log.contains(tt.want) })
			if x.Connected() {
				t.Error("connected")
			}
		})
	}
}
