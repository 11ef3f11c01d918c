package identity

import (
	stdjson "encoding/json"
	"fmt"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// MaxEnvelope is the largest sealed envelope, in bytes.
const MaxEnvelope = 16 << 10

// Version is the envelope version that this package writes and reads.
const Version = 1

// Envelope is one signed message between stations.
type Envelope struct {
	V    int    `json:"v"`
	ID   string `json:"id"`             // of this message, to drop it when it comes twice
	Call string `json:"call,omitempty"` // the call it belongs to, if any
	Type string `json:"type"`           // what Body is; formed like an id
	// From is the sender; Open has checked it against the sender's token,
	// except for Session, which only the sender's own signature vouches for.
	From Address `json:"from"`
	// To is the addressee; without Session or Device it is each process of
	// the device, or each device of the user.
	To Address `json:"to"`
	// Bind ties the message to one live check of its call, formed like an id;
	// "" for messages that need none.
	Bind string `json:"bind,omitempty"`
	// Body is the message's own JSON, absent for types that have none.
	Body stdjson.RawMessage `json:"body,omitempty"`
}

// AddressedTo reports whether the envelope is for the station me.
func (e Envelope) AddressedTo(me Address) bool {
	return e.To.Service == me.Service && e.To.User == me.User &&
		(e.To.Device == "" || e.To.Device == me.Device) &&
		(e.To.Session == "" || e.To.Session == me.Session)
}

// validate checks all but the version and the body.
func (e Envelope) validate() error {
	if err := validID("id", e.ID); err != nil {
		return err
	}
	if err := validID("type", e.Type); err != nil {
		return err
	}
	if e.Call != "" {
		if err := validID("call", e.Call); err != nil {
			return err
		}
	}
	if e.Bind != "" {
		if err := validID("bind", e.Bind); err != nil {
			return err
		}
	}
	if err := e.From.Validate(); err != nil {
		return fmt.Errorf("from: %w", err)
	}
	if err := e.To.ValidateUser(); err != nil {
		return fmt.Errorf("to: %w", err)
	}
	return nil
}

// Sealer signs the envelopes of one station. Any goroutine may use it.
type Sealer struct {
	signer jose.Signer
	from   Address
}

// NewSealer makes a Sealer for a key, the access token that names that key,
// and the station's full address. It does not check that they match: VerifyOwn
// does. A new token needs a new Sealer.
func NewSealer(key Key, token string, from Address) (*Sealer, error) {
	if err := from.Validate(); err != nil {
		return nil, fmt.Errorf("identity: make sealer: %w", err)
	}
	if _, err := parseToken(token); err != nil {
		return nil, fmt.Errorf("identity: make sealer: %w", err)
	}
	signer, err := newSigner(key, typEnvelope, map[jose.HeaderKey]any{headerToken: token})
	if err != nil {
		return nil, fmt.Errorf("identity: make sealer: %w", err)
	}
	return &Sealer{signer: signer, from: from}, nil
}

// Seal signs an envelope and returns it as a compact JWS of at most
// MaxEnvelope bytes. It fills in V and From. ErrMalformed says which field is
// wrong, ErrOversized that the body is too large.
func (s *Sealer) Seal(e Envelope) ([]byte, error) {
	e.V, e.From = Version, s.from
	if err := e.validate(); err != nil {
		return nil, fmt.Errorf("identity: seal: %w: %w", ErrMalformed, err)
	}
	payload, err := stdjson.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("identity: seal %s: %w: %w", e.Type, ErrMalformed, err)
	}
	if len(payload) > MaxEnvelope { // spares signing what is too large anyway
		return nil, fmt.Errorf("identity: seal %s: %w: %d bytes of JSON", e.Type, ErrOversized, len(payload))
	}
	sealed, err := signCompact(s.signer, payload)
	if err != nil {
		return nil, fmt.Errorf("identity: seal %s: %w", e.Type, err)
	}
	if len(sealed) > MaxEnvelope {
		return nil, fmt.Errorf("identity: seal %s: %w: %d bytes, at most %d are allowed", e.Type, ErrOversized, len(sealed), MaxEnvelope)
	}
	return []byte(sealed), nil
}

// Open returns the envelope in data if it is authentic; doc.go lists the
// checks, their order, and the Kind of error when one fails. It does not look
// at the addressee: use OpenFor, unless the reader is an observer.
func (v *Verifier) Open(data []byte) (Envelope, error) {
	e, err := v.open(data)
	if err != nil {
		return Envelope{}, fmt.Errorf("identity: open: %w", err)
	}
	return e, nil
}

// OpenFor is Open for the station me: an envelope for anyone else is refused
// with ErrAddressee.
func (v *Verifier) OpenFor(me Address, data []byte) (Envelope, error) {
	e, err := v.Open(data)
	if err == nil && !e.AddressedTo(me) {
		return Envelope{}, fmt.Errorf("identity: open: %w: %s from %s to %s", ErrAddressee, e.Type, e.From, e.To)
	}
	return e, err
}

func (v *Verifier) open(data []byte) (Envelope, error) {
	parsed, err := parseCompact(string(data), MaxEnvelope, typEnvelope, headerToken)
	if err != nil {
		return Envelope{}, err
	}
	token, _ := parsed.header[headerToken].(string)
	claims, err := v.verifyToken(token)
	if err != nil {
		return Envelope{}, err
	}
	payload, err := parsed.jws.Verify(claims.Key)
	if err != nil {
		return Envelope{}, fmt.Errorf("%w: not by the key of %s/%s/%s", ErrSignature, claims.Service, claims.User, claims.Device)
	}
	e, err := parseEnvelope(payload)
	if err != nil {
		return Envelope{}, err
	}
	if e.From.Service != claims.Service || e.From.User != claims.User || e.From.Device != claims.Device {
		return Envelope{}, fmt.Errorf("%w: from %s, token of %s/%s/%s", ErrSender, e.From, claims.Service, claims.User, claims.Device)
	}
	return e, nil
}

// parseEnvelope reads a payload whose signature was verified. Its decoder
// refuses repeated names and trailing data, and tells case apart.
func parseEnvelope(payload []byte) (Envelope, error) {
	var e Envelope
	err := json.Unmarshal(payload, &e)
	version := e.V
	if err != nil {
		// Another version may give our names other types.
		var only struct {
			V int `json:"v"`
		}
		if json.Unmarshal(payload, &only) != nil {
			return Envelope{}, fmt.Errorf("%w: %.200s", ErrMalformed, err)
		}
		version = only.V
	}
	if version != Version {
		return Envelope{}, fmt.Errorf("%w: %d, this program speaks %d; update the older side", ErrVersion, version, Version)
	}
	if err != nil {
		return Envelope{}, fmt.Errorf("%w: %.200s", ErrMalformed, err)
	}
	if err := e.validate(); err != nil {
		return Envelope{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(e.Body) > 0 {
		var body any // only to refuse names repeated inside the body
		if err := json.Unmarshal(e.Body, &body); err != nil {
			return Envelope{}, fmt.Errorf("%w: body: %.200s", ErrMalformed, err)
		}
	}
	return e, nil
}
