package mqttpush

import (
	"encoding/base64"
	"encoding/json"
	"sync/atomic"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"intercom/call"
	"intercom/identity"
	"intercom/internal/testhouse"
)

// delivery is a message as paho gives it.
type delivery struct {
	mqtt.Message // nil: what is not used
	topic        string
	payload      []byte
	retained     bool
}

func (d delivery) Topic() string   { return d.topic }
func (d delivery) Payload() []byte { return d.payload }
func (d delivery) Retained() bool  { return d.retained }

// quiet sends nothing.
type quiet struct{ *Transport }

func (quiet) Send(call.Address, []byte, func(error)) {}
func (quiet) Connected() bool                        { return true }

type noMedia struct{}

func (noMedia) NewSession(call.SessionConfig) (call.Session, error) { panic("no call, no session") }

// FuzzReceive gives a Transport, and by it a Kit with the real seals, anything
// that a broker may deliver: to any topic, by nobody or sealed by a device of the
// house. Each message is counted once, as what became of it, and only a sealed
// push that names its own sender's call reaches the application.
func FuzzReceive(f *testing.F) {
	from, self := address("door", "d1", "s1"), address("flat", "p1", "s1")
	top := topicsOf(self)
	h := testhouse.New(f)
	door, phone := h.Admit(f, identity.Address(from)), h.Admit(f, identity.Address(self))
	wire, err := json.Marshal(map[string]any{"v": 1, "call": "c1", "caller": from, "media": "audio"})
	if err != nil {
		f.Fatal(err)
	}
	ccParam := base64.RawURLEncoding.EncodeToString(wire)
	for _, typ := range []string{"push", "verify", "standing", "end", "dance", ""} {
		f.Add(top.push, false, true, typ, "c1", "n1", []byte(`{"cc_param":"`+ccParam+`","nonce":"n1","reason":"normal"}`))
		f.Add(top.signal, false, true, typ, "c1", "n1", []byte(`{"nonce":1}`))
	}
	f.Add(top.push, false, true, "push", "c2", "", []byte(`{"cc_param":"`+ccParam+`"}`)) // of another call
	f.Add("intercom/v1/home/attic/push", false, true, "push", "c1", "", []byte(`{}`))
	f.Add(top.push, true, true, "push", "c1", "", []byte(`{}`))
	f.Add(top.presence, true, false, "", "", "", []byte(`{"online":false}`))
	f.Add(top.signal, false, false, "", "", "", []byte("a.b.c"))
	f.Add("intercom/v1/home/flat/p1/s2/presence", false, false, "", "", "", []byte("\x00\xff"))

	f.Fuzz(func(t *testing.T, topic string, retained, sealed bool, typ, id, bind string, body []byte) {
		tr := &Transport{cfg: Config{Self: self}, topics: top, in: make(chan []byte, queueLength), closed: true}
		var pushes atomic.Uint64
		told := make(chan struct{}, 1)
		kit, err := call.NewKit(call.Config{
			Self: self, Transport: quiet{tr}, Media: noMedia{},
			Sealer: NewSealer(phone.Sealer, h.Verifier, phone.Key, self),
			OnPush: func(string) { pushes.Add(1); told <- struct{}{} },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer kit.Close()
		payload := body
		if sealed {
			e := identity.Envelope{ID: identity.NewID(), Call: id, Type: typ, Bind: bind, To: identity.Address(self.UserAddress()), Body: body}
			if payload, err = door.Sealer.Seal(e); err != nil {
				t.Skip(err) // what can't be sealed can't come sealed
			}
		}
		tr.onMessage(&link{}, delivery{topic: topic, payload: payload, retained: retained})
		select {
		case data := <-tr.in:
			tr.deliver(data)
		default:
		}
		counted := total(tr.Counters())
		if !tr.topics.isPresence(topic) && counted != 1 || counted > 1 {
			t.Errorf("the transport counts %v", tr.Counters())
		}
		if tr.Counters()["received"] == 0 {
			return
		}
		var push call.PushBody
		var cc call.CCParam
		if err = json.Unmarshal(body, &push); err == nil {
			cc, err = call.ParseCCParam(push.CCParam)
		}
		want := uint64(0)
		if sealed && typ == string(call.TypePush) && err == nil && cc.Caller() == from && cc.CallID() == id && total(kit.Counters()) == 0 {
			want = 1
			<-told
		}
		if got := total(kit.Counters()); got+want != 1 || pushes.Load() != want {
			t.Errorf("the Kit counts %v, and gave %d pushes of %d", kit.Counters(), pushes.Load(), want)
		}
	})
}

func total(counters map[string]uint64) (n uint64) {
	for _, c := range counters {
		n += c
	}
	return n
}
