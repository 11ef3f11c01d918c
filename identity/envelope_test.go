package identity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSealOpen(t *testing.T) {
	h := newHouse(t)
	sent := h.message()
	want := sent
	want.V, want.From = Version, h.door.addr
	for range 2 { // the second time with the token cached
		data, err := h.door.sealer.Seal(sent)
		if err != nil {
			t.Fatal(err)
		}
		got, err := h.verifier.OpenFor(h.phone.addr, data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("envelope (-want +got):\n%s", diff)
		}
	}
}

// The least that an envelope may hold: no call, no bind, no body.
func TestSealOpenLeast(t *testing.T) {
	h := newHouse(t)
	want := Envelope{V: Version, ID: "m1", Type: "presence", From: h.door.addr, To: Address{Service: "home", User: "anna"}}
	data, err := h.door.sealer.Seal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := h.verifier.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("envelope (-want +got):\n%s", diff)
	}
}

func TestAddressedTo(t *testing.T) {
	h := newHouse(t)
	me := Address{"home", "anna", "hall", "s2"}
	for to, want := range map[Address]bool{
		me:                                true,
		{"home", "anna", "hall", ""}:      true,
		{"home", "anna", "", ""}:          true,
		{"home", "anna", "hall", "s1"}:    false,
		{"home", "anna", "kitchen", ""}:   false,
		{"home", "anna", "kitchen", "s2"}: false,
		{"home", "bob", "", ""}:           false,
		{"other", "anna", "", ""}:         false,
	} {
		e := h.message()
		e.To = to
		data, err := h.door.sealer.Seal(e)
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.verifier.OpenFor(me, data)
		if got := err == nil; got != want {
			t.Errorf("to %v opens for %v: %v, want %v", to, me, got, want)
		}
		if !want {
			wantKind(t, err, "addressee")
		}
	}
}

func TestSealRefuses(t *testing.T) {
	h := newHouse(t)
	for name, c := range map[string]struct {
		edit func(*Envelope)
		kind string
	}{
		"no id":             {func(e *Envelope) { e.ID = "" }, "malformed"},
		"bad id":            {func(e *Envelope) { e.ID = "a b" }, "malformed"},
		"bad call":          {func(e *Envelope) { e.Call = "a/b" }, "malformed"},
		"no type":           {func(e *Envelope) { e.Type = "" }, "malformed"},
		"bad bind":          {func(e *Envelope) { e.Bind = strings.Repeat("x", maxID+1) }, "malformed"},
		"to nobody":         {func(e *Envelope) { e.To = Address{} }, "malformed"},
		"to no device":      {func(e *Envelope) { e.To.Device = "" }, "malformed"},
		"bad to.device":     {func(e *Envelope) { e.To.Device = "#" }, "malformed"},
		"bad to.session":    {func(e *Envelope) { e.To.Session = "#" }, "malformed"},
		"body no JSON":      {func(e *Envelope) { e.Body = json.RawMessage(`{`) }, "malformed"},
		"body far too long": {func(e *Envelope) { e.Body = filler(MaxEnvelope) }, "oversized"},
		"body too long":     {func(e *Envelope) { e.Body = filler(12000) }, "oversized"},
	} {
		e := h.message()
		c.edit(&e)
		_, err := h.door.sealer.Seal(e)
		if Kind(err) != c.kind {
			t.Errorf("%s: %v, want kind %s", name, err, c.kind)
		}
	}
	if _, err := NewSealer(Key{}, h.door.token, h.door.addr); err == nil {
		t.Error("made a sealer without a key")
	}
	if _, err := NewSealer(h.door.key, "hello", h.door.addr); Kind(err) != "token" {
		t.Errorf("made a sealer with a broken token: %v", err)
	}
	if _, err := NewSealer(h.door.key, h.door.token, Address{Service: "home", User: "door"}); err == nil {
		t.Error("made a sealer without a device")
	}
}

// filler is a JSON string of n characters between its quotes.
func filler(n int) json.RawMessage {
	return json.RawMessage(`"` + strings.Repeat("x", n) + `"`)
}

func TestEnvelopeSizeLimit(t *testing.T) {
	h := newHouse(t)
	e := h.message()
	size := func(n int) int {
		e.Body = filler(n)
		data, err := h.door.sealer.Seal(e)
		if err != nil {
			wantKind(t, err, "oversized")
			return MaxEnvelope + 1
		}
		return len(data)
	}
	// The largest body that fits. Base64 makes 4 characters of 3 bytes, so it
	// leaves at most 1 byte unused.
	fits := sort.Search(MaxEnvelope, func(n int) bool { return size(n) > MaxEnvelope }) - 1
	if got := size(fits); got < MaxEnvelope-1 {
		t.Errorf("the largest body that fits has %d bytes and makes %d bytes, want %d", fits, got, MaxEnvelope)
	}
	e.Body = filler(fits)
	data, err := h.door.sealer.Seal(e)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.verifier.Open(data); err != nil {
		t.Errorf("%d bytes: %v", len(data), err)
	}

	// At and above the limit exactly: what counts is the size, before the form.
	_, err = h.verifier.Open([]byte(strings.Repeat("x", MaxEnvelope)))
	wantKind(t, err, "malformed")
	_, err = h.verifier.Open([]byte(strings.Repeat("x", MaxEnvelope+1)))
	wantKind(t, err, "oversized")
}

func TestEnvelopeForgeries(t *testing.T) {
	h := newHouse(t)
	var (
		header   = dict{"alg": "EdDSA", "typ": typEnvelope, "tok": h.door.token}
		payload  = payloadOf(h.door.addr, h.phone.addr)
		text     = forgeText(payload)
		door     = signWith(h.door.key)
		attacker = mustKey(t)
		nothing  = func([]byte) []byte { return nil }
		hs256    = func(input []byte) []byte {
			mac := hmac.New(sha256.New, h.door.key.Public())
			mac.Write(input)
			return mac.Sum(nil)
		}
	)
	start := forge(header, payload.with("new field", dict{"v": 9}), door)
	if _, err := h.verifier.Open([]byte(start)); err != nil {
		t.Fatal("the envelope that the forgeries start from, with an unknown field: ", err)
	}
	sealed, err := h.door.sealer.Seal(h.message())
	if err != nil {
		t.Fatal(err)
	}
	genuine := strings.Split(string(sealed), ".")
	other, err := h.door.sealer.Seal(Envelope{ID: "m2", Call: "c1", Type: "open", To: h.phone.addr})
	if err != nil {
		t.Fatal(err)
	}
	stolen := (&house{authority: Authority{attacker}}).issue(t, h.door.addr, attacker, built, time.Hour)
	expired := h.issue(t, h.door.addr, h.door.key, built.Add(-48*time.Hour), time.Hour)
	jsonForm, _ := json.Marshal(dict{"protected": genuine[0], "payload": genuine[1], "signature": genuine[2]})
	jsonGeneral, _ := json.Marshal(dict{"payload": genuine[1], "signatures": []dict{{"protected": genuine[0], "signature": genuine[2]}}})
	unencoded := forge(header.with("crit", []string{"b64"}).with("b64", false), payload, func(input []byte) []byte {
		head, _, _ := strings.Cut(string(input), ".")
		return door([]byte(head + "." + text)) // what RFC 7797 has one sign
	})

	for name, c := range map[string]struct{ data, kind string }{
		"empty":                       {"", "malformed"},
		"no JWS":                      {"hello", "malformed"},
		"a token":                     {h.door.token, "malformed"},
		"JSON form":                   {string(jsonForm), "malformed"},
		"JSON form, general":          {string(jsonGeneral), "malformed"},
		"line break":                  {start + "\n", "malformed"},
		"four parts":                  {start + ".", "malformed"},
		"header no JSON":              {forge("x", payload, door), "malformed"},
		"header null":                 {forge("null", payload, door), "malformed"},
		"alg none":                    {forge(header.with("alg", "none"), payload, nothing), "unsigned"},
		"alg none, with signature":    {forge(header.with("alg", "none"), payload, door), "unsigned"},
		"no signature":                {genuine[0] + "." + genuine[1] + ".", "unsigned"},
		"no alg":                      {forge(header.without("alg"), payload, door), "algorithm"},
		"HS256 with the public key":   {forge(header.with("alg", "HS256"), payload, hs256), "algorithm"},
		"EdDSA with an HMAC":          {forge(header, payload, hs256), "signature"},
		"ES256":                       {forge(header.with("alg", "ES256"), payload, door), "algorithm"},
		"crit":                        {forge(header.with("crit", []string{"tok"}), payload, door), "malformed"},
		"crit b64":                    {unencoded, "malformed"},
		"b64":                         {forge(header.with("b64", false), payload, door), "malformed"},
		"embedded key of an attacker": {forge(header.with("jwk", jwkOf(attacker)), payload, signWith(attacker)), "malformed"},
		"embedded key, genuine":       {forge(header.with("jwk", jwkOf(h.door.key)), payload, door), "malformed"},
		"embedded certificate":        {forge(header.with("x5c", []string{}), payload, signWith(attacker)), "signature"},
		"key by URL":                  {forge(header.with("x5u", "https://example.org"), payload, door), "malformed"},
		"no typ":                      {forge(header.without("typ"), payload, door), "malformed"},
		"other typ":                   {forge(header.with("typ", "JWT"), payload, door), "malformed"},
		"typ no text":                 {forge(header.with("typ", 1), payload, door), "malformed"},
		"no token":                    {forge(header.without("tok"), payload, door), "token"},
		"token no text":               {forge(header.with("tok", dict{}), payload, door), "token"},
		"token broken":                {forge(header.with("tok", "a.b.c"), payload, door), "token"},
		"token of another authority":  {forge(header.with("tok", stolen), payload, signWith(attacker)), "token"},
		"token expired":               {forge(header.with("tok", expired), payload, door), "expired"},
		"another device's token":      {forge(header.with("tok", h.phone.token), payload, door), "signature"},
		"stolen token, own key":       {forge(header, payload, signWith(attacker)), "signature"},
		"swapped payload":             {genuine[0] + "." + strings.Split(string(other), ".")[1] + "." + genuine[2], "signature"},
		"swapped signature":           {genuine[0] + "." + genuine[1] + "." + strings.Split(string(other), ".")[2], "signature"},
		"edited, unparsable payload":  {genuine[0] + "." + b64([]byte("{")) + "." + genuine[2], "signature"},
		"another user":                {forge(header, payload.with("from", Address{"home", "anna", "front", "s"}), door), "sender"},
		"another service":             {forge(header, payload.with("from", Address{"x", "door", "front", "s"}), door), "sender"},
		"another device":              {forge(header, payload.with("from", Address{"home", "door", "back", "s"}), door), "sender"},
		"no from":                     {forge(header, payload.without("from"), door), "malformed"},
		"from without session":        {forge(header, payload.with("from", Address{"home", "door", "front", ""}), door), "malformed"},
		"no to":                       {forge(header, payload.without("to"), door), "malformed"},
		"no id":                       {forge(header, payload.without("id"), door), "malformed"},
		"id is a number":              {forge(header, payload.with("id", 1), door), "malformed"},
		"call is no id":               {forge(header, payload.with("call", "a/b"), door), "malformed"},
		"bind is no id":               {forge(header, payload.with("bind", "a b"), door), "malformed"},
		"version 2":                   {forge(header, payload.with("v", 2), door), "version"},
		"version 2, other types":      {forge(header, payload.with("v", 2).with("from", "home/door"), door), "version"},
		"no version":                  {forge(header, payload.without("v"), door), "version"},
		"payload no JSON":             {forge(header, "hello", door), "malformed"},
		"payload a list":              {forge(header, "[]", door), "malformed"},
		"trailing JSON":               {forge(header, text+"{}", door), "malformed"},
		"type twice":                  {forge(header, `{"type":"end",`+text[1:], door), "malformed"},
		"from.user twice":             {forge(header, strings.Replace(text, `"user":`, `"user":"anna","user":`, 1), door), "malformed"},
		"name twice in the body":      {forge(header, strings.Replace(text, `"sdp":`, `"sdp":"x","sdp":`, 1), door), "malformed"},
		"Type":                        {forge(header, payload.without("type").with("Type", "accept"), door), "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.verifier.Open([]byte(c.data))
			wantKind(t, err, c.kind)
		})
	}
}

// What a board believes about the time decides nothing about a valid token,
// except through the floor.
func TestOpenWithWrongClocks(t *testing.T) {
	for name, c := range map[string]struct {
		clock        time.Time
		synchronised bool
		kind         string
	}{
		"1970":               {time.Unix(0, 0), false, ""},
		"1970, synchronised": {time.Unix(0, 0), true, ""},
		"2100":               {time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), false, ""},
		"2100, synchronised": {time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), true, "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.floor.src.system = func() (time.Time, bool) { return c.clock, c.synchronised }
			data, err := h.door.sealer.Seal(h.message())
			if err != nil {
				t.Fatal(err)
			}
			_, err = h.verifier.Open(data)
			if got := Kind(err); got != c.kind {
				t.Errorf("kind %q, want %q; error: %v", got, c.kind, err)
			}
		})
	}
}

func TestKind(t *testing.T) {
	if got := Kind(nil); got != "" {
		t.Errorf("Kind(nil) = %q", got)
	}
	if got := Kind(errors.New("other")); got != "" {
		t.Errorf("Kind of another error = %q", got)
	}
}
