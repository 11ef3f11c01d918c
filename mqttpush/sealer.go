package mqttpush

import (
	"intercom/call"
	"intercom/identity"
)

// sealer is a call.Sealer over identity's envelopes.
type sealer struct {
	sealer   *identity.Sealer
	verifier *identity.Verifier
	key      identity.Key
	self     identity.Address
}

// NewSealer makes the call.Sealer of this process: it seals with s, opens with
// v what is addressed to self, and checks that access tokens are valid and for
// self and its key. An error of Open or CheckToken has a method Kind() string:
// see identity.Kind.
func NewSealer(s *identity.Sealer, v *identity.Verifier, key identity.Key, self call.Address) call.Sealer {
	return &sealer{s, v, key, identity.Address(self)}
}

// Seal signs m. From is always this process, whatever m says.
func (s *sealer) Seal(m call.Message) ([]byte, error) {
	return s.sealer.Seal(identity.Envelope{
		ID: m.ID, Call: m.Call, Type: string(m.Type), Bind: m.Bind,
		To: identity.Address(m.To), Body: m.Body,
	})
}

func (s *sealer) Open(data []byte) (call.Message, error) {
	e, err := s.verifier.OpenFor(s.self, data)
	if err != nil {
		return call.Message{}, kindError{err}
	}
	return call.Message{
		ID: e.ID, Call: e.Call, Type: call.MessageType(e.Type), Bind: e.Bind,
		From: call.Address(e.From), To: call.Address(e.To), Body: e.Body,
	}, nil
}

func (s *sealer) CheckToken(token string) error {
	if _, err := s.verifier.VerifyOwn(token, s.key, s.self); err != nil {
		return kindError{err}
	}
	return nil
}

// kindError gives an error of identity the method that call asks for.
type kindError struct{ error }

func (e kindError) Kind() string  { return identity.Kind(e.error) }
func (e kindError) Unwrap() error { return e.error }
