package call

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Message is one message between two devices. On the wire its fields are
// claims of a signed envelope; docs/protocol.md has an example of each type.
type Message struct {
	ID   string // one for each sending; the same on every path that a sending takes
	Call string // the call
	Type MessageType
	Bind string // the live check's nonce: ties a message to one verified pairing of two devices
	From Address
	To   Address
	Body json.RawMessage // of the type's struct
}

// MessageType names what a message says.
type MessageType string

// The messages. The caller's: push, standing, connected, lease, answer,
// restart. The callee's: verify, ringing, accept, prepared, offer. Both: the
// rest.
const (
	TypePush         MessageType = "push"         // a call is on its way; repeated each second: the ring's lease
	TypeVerify       MessageType = "verify"       // does this call still stand? with the callee's offer
	TypeStanding     MessageType = "standing"     // it does; with the caller's answer
	TypeRinging      MessageType = "ringing"      // this device rings
	TypeLease        MessageType = "lease"        // the caller is still there (over the data channel)
	TypeAccept       MessageType = "accept"       //
	TypeConnected    MessageType = "connected"    // this device was chosen
	TypePrepared     MessageType = "prepared"     // responder preparation is finished
	TypeEnd          MessageType = "end"          // it is over for the addressee, and why
	TypeEnded        MessageType = "ended"        // answer to end, with the reason that counts
	TypeMute         MessageType = "mute"         // my microphone is (not) muted
	TypeMuteRequest  MessageType = "muteRequest"  // please mute yours
	TypeHold         MessageType = "hold"         //
	TypeOpen         MessageType = "open"         // open the door
	TypeOpenResult   MessageType = "openResult"   //
	TypeShortData    MessageType = "shortData"    // a few bytes of the application's
	TypeShortDataAck MessageType = "shortDataAck" // they came
	TypeCandidate    MessageType = "candidate"    // one more ICE candidate
	TypeOffer        MessageType = "offer"        // ICE restart
	TypeAnswer       MessageType = "answer"       // ICE restart
	TypeRestart      MessageType = "restart"      // please make a restart offer
	TypeUnknown      MessageType = "unknownType"  // answer to a type that this version does not know
)

// The bodies, by type. Types without one here have an empty object.
type (
	// PushBody travels in push.
	PushBody struct {
		CCParam string   `json:"cc_param"`
		Age     int64    `json:"age_ms"`            // since the call was made
		Ringing []string `json:"ringing,omitempty"` // "device/session" of who rings already
	}
	// VerifyBody travels in verify.
	VerifyBody struct {
		Nonce string `json:"nonce"`
		Offer string `json:"offer"` // SDP
		// Replaces are the nonces of this device's earlier live checks of the
		// call, where it was adopted.
		Replaces []string `json:"replaces,omitempty"`
	}
	// StandingBody travels in standing.
	StandingBody struct {
		Nonce                string `json:"nonce"`
		Answer               string `json:"answer"`            // SDP
		Age                  int64  `json:"age_ms"`            // since the call was made
		RingRemaining        int64  `json:"ring_remaining_ms"` // of the caller's ring time
		ResponderPreparation bool   `json:"responder_preparation,omitempty"`
		AppData              []byte `json:"app_data,omitempty"` // base64
		StartMessage         string `json:"start_message,omitempty"`
		Rang                 bool   `json:"rang,omitempty"` // an earlier live check that this one replaces
	}
	// AcceptBody travels in accept.
	AcceptBody struct {
		ResponderPreparation bool `json:"responder_preparation,omitempty"`
	}
	// ConnectedBody travels in connected.
	ConnectedBody struct {
		Preparation bool `json:"preparation,omitempty"`
	}
	// EndBody travels in end and ended.
	EndBody struct {
		Reason     Reason `json:"reason"`
		Source     Source `json:"source"`
		UserCode   string `json:"user_code,omitempty"`
		Phrase     string `json:"phrase,omitempty"`
		AnsweredBy string `json:"answered_by,omitempty"`
		// Replaces, in an end, is as in VerifyBody: the live check that says so
		// may not have arrived.
		Replaces []string `json:"replaces,omitempty"`
	}
	// MuteBody travels in mute; the highest sequence number counts.
	MuteBody struct {
		Seq int64 `json:"seq"`
		On  bool  `json:"on"`
	}
	// HoldBody travels in hold; the highest sequence number counts.
	HoldBody struct {
		Seq    int64  `json:"seq"`
		On     bool   `json:"on"`
		Reason string `json:"reason,omitempty"`
	}
	// OpenBody travels in open. A request sent again has the same number.
	OpenBody struct {
		Request   int64 `json:"request"`
		Confirmed bool  `json:"confirmed,omitempty"` // the door has asked back
	}
	// OpenResultBody travels in openResult.
	OpenResultBody struct {
		Request int64  `json:"request"`
		Confirm bool   `json:"confirm,omitempty"` // no result yet: does the asker still wait?
		Opened  bool   `json:"opened"`
		Why     string `json:"why,omitempty"` // where it was refused
	}
	// ShortDataBody travels in shortData; sent again it has the same number.
	ShortDataBody struct {
		Seq  int64  `json:"seq"`
		Type string `json:"type"`
		Data []byte `json:"data,omitempty"` // base64
	}
	// ShortDataAckBody travels in shortDataAck.
	ShortDataAckBody struct {
		Seq int64 `json:"seq"`
	}
	// SDPBody travels in candidate, offer and answer.
	SDPBody struct {
		SDP string `json:"sdp"`
	}
	// UnknownTypeBody travels in unknownType.
	UnknownTypeBody struct {
		Type string `json:"type"`
	}
)

// body gives the struct that a type's body decodes into; nil: no body, or not
// a type of this version.
func (t MessageType) body() (b any, known bool) {
	switch t {
	case TypePush:
		return &PushBody{}, true
	case TypeVerify:
		return &VerifyBody{}, true
	case TypeStanding:
		return &StandingBody{}, true
	case TypeAccept:
		return &AcceptBody{}, true
	case TypeConnected:
		return &ConnectedBody{}, true
	case TypeEnd, TypeEnded:
		return &EndBody{}, true
	case TypeMute:
		return &MuteBody{}, true
	case TypeHold:
		return &HoldBody{}, true
	case TypeOpen:
		return &OpenBody{}, true
	case TypeOpenResult:
		return &OpenResultBody{}, true
	case TypeShortData:
		return &ShortDataBody{}, true
	case TypeShortDataAck:
		return &ShortDataAckBody{}, true
	case TypeCandidate, TypeOffer, TypeAnswer:
		return &SDPBody{}, true
	case TypeUnknown:
		return &UnknownTypeBody{}, true
	case TypeRinging, TypeLease, TypePrepared, TypeMuteRequest, TypeRestart:
		return nil, true
	}
	return nil, false
}

var errUnknownType = errors.New("unknown message type")

// DecodeBody parses a message's body into its type's struct (nil for a type
// without one) and checks it. Unknown fields are ignored.
func DecodeBody(t MessageType, raw json.RawMessage) (any, error) {
	b, known := t.body()
	if !known {
		return nil, errUnknownType
	}
	if b == nil {
		return nil, nil
	}
	if err := json.Unmarshal(raw, b); err != nil {
		return nil, fmt.Errorf("call: body of %s: %w", t, err)
	}
	if err := checkBody(b); err != nil {
		return nil, fmt.Errorf("call: body of %s: %w", t, err)
	}
	return b, nil
}

const (
	maxSDP       = 8192
	maxCandidate = 512
	maxWhy       = 256
	maxRinging   = MaxDevices
)

func checkBody(b any) error {
	switch b := b.(type) {
	case *PushBody:
		if len(b.Ringing) > maxRinging {
			return fmt.Errorf("ringing has %d entries, at most %d", len(b.Ringing), maxRinging)
		}
		if len(b.CCParam) > MaxCCParam {
			return fmt.Errorf("cc_param has %d bytes, at most %d", len(b.CCParam), MaxCCParam)
		}
		return checkAge(b.Age)
	case *VerifyBody:
		if !ValidID(b.Nonce) {
			return errors.New("nonce is not an id")
		}
		if err := checkReplaces(b.Replaces); err != nil {
			return err
		}
		return atMost("offer", b.Offer, maxSDP)
	case *StandingBody:
		if len(b.AppData) > MaxAppData {
			return fmt.Errorf("app_data has %d bytes, at most %d", len(b.AppData), MaxAppData)
		}
		if b.RingRemaining < 0 || b.RingRemaining > 3_600_000 {
			return fmt.Errorf("ring_remaining_ms is %d, 0 to 3600000 allowed", b.RingRemaining)
		}
		if err := checkAge(b.Age); err != nil {
			return err
		}
		if err := atMost("start_message", b.StartMessage, MaxStartMessage); err != nil {
			return err
		}
		return atMost("answer", b.Answer, maxSDP)
	case *EndBody:
		if err := atMost("user_code", b.UserCode, MaxUserCode); err != nil {
			return err
		}
		if err := atMost("answered_by", b.AnsweredBy, 2*maxID+1); err != nil {
			return err
		}
		if err := checkReplaces(b.Replaces); err != nil {
			return err
		}
		return atMost("phrase", b.Phrase, MaxPhrase)
	case *HoldBody:
		return atMost("reason", b.Reason, MaxHoldReason)
	case *OpenResultBody:
		return atMost("why", b.Why, maxWhy)
	case *ShortDataBody:
		if len(b.Data) > MaxShortData {
			return fmt.Errorf("data has %d bytes, at most %d", len(b.Data), MaxShortData)
		}
		return atMost("type", b.Type, MaxShortType)
	case *SDPBody:
		return atMost("sdp", b.SDP, maxSDP)
	}
	return nil
}

func checkAge(ms int64) error {
	if ms < 0 || ms > 2*maxLimit.Milliseconds() {
		return fmt.Errorf("age_ms is %d, 0 to %d allowed", ms, 2*maxLimit.Milliseconds())
	}
	return nil
}

func atMost(what, s string, n int) error {
	if len(s) > n {
		return fmt.Errorf("%s has %d bytes, at most %d", what, len(s), n)
	}
	return nil
}

func checkReplaces(nonces []string) error {
	if len(nonces) > maxReplaces {
		return fmt.Errorf("replaces has %d entries, at most %d", len(nonces), maxReplaces)
	}
	for _, n := range nonces {
		if !ValidID(n) {
			return fmt.Errorf("replaces has %q, which is not an id", clip(n))
		}
	}
	return nil
}
