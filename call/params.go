package call

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"
)

// MakeCallParam is what a call is made with.
type MakeCallParam struct {
	MyUserID, MyServiceID     string
	PeerUserID, PeerServiceID string
	AccessToken               string

	AppData                 []byte // at most MaxAppData bytes; the peer reads it from OnVerified on
	StartMessage            string // at most MaxStartMessage bytes
	UseResponderPreparation bool
	AllowCallWithoutMic     bool
	AudioActivationByUser   bool          // gated until NotifyAudioActivation
	RingTime                time.Duration // at most 1 h; 0: DefaultRingTime
	UnreachableAfter        time.Duration // until OnUnreachable, at most 1 h; 0: DefaultUnreach
	UnreachableLimit        time.Duration // until the call ends unreached, at most 1 h; 0: DefaultReachTime
	TalkLimit               time.Duration // 0: none
	MicNoSourceTimeout      time.Duration // at most 1 h; 0: off; see VerifyCallParam
	DeclineOnlyDevice       bool          // a decline ends the call for that device only
}

// VerifyCallParam is what an incoming call is verified with.
type VerifyCallParam struct {
	MyUserID, MyServiceID string
	CCParam               CCParam
	AllowCallWithoutMic   bool
	AudioActivationByUser bool
	// MicNoSourceTimeout ends the call with micNoSource when no frame was
	// captured (Call.WriteFrame was not called, whatever it returned) for so
	// long. 0: off. Time that is muted, held, in preparation or not activated
	// does not count; with AllowCallWithoutMic nothing does.
	MicNoSourceTimeout time.Duration
}

const maxLimit = time.Hour // of the ring and unreachable times

// Validate reports the first thing wrong as a *StartError.
func (p MakeCallParam) Validate() error {
	if err := validIDs(p.MyUserID, p.MyServiceID); err != nil {
		return err
	}
	if !ValidID(p.PeerUserID) {
		return startError(StartInvalidUserID, "peer user id %q: want 1 to 64 of a-z A-Z 0-9 . _ -", clip(p.PeerUserID))
	}
	if !ValidID(p.PeerServiceID) {
		return startError(StartInvalidServiceID, "peer service id %q: want 1 to 64 of a-z A-Z 0-9 . _ -", clip(p.PeerServiceID))
	}
	if p.PeerUserID == p.MyUserID && p.PeerServiceID == p.MyServiceID {
		return startError(StartIDConflict, "user %q calls itself", p.MyUserID)
	}
	if p.AccessToken == "" {
		return startError(StartInvalidAccessToken, "no access token")
	}
	if len(p.AppData) > MaxAppData {
		return startError(StartTooLongAppServerData, "app data has %d bytes, at most %d", len(p.AppData), MaxAppData)
	}
	if len(p.StartMessage) > MaxStartMessage {
		return startError(StartInvalidParam, "start message has %d bytes, at most %d", len(p.StartMessage), MaxStartMessage)
	}
	for _, d := range []struct {
		what string
		d    time.Duration
	}{{"ring time", p.RingTime}, {"unreachable after", p.UnreachableAfter}, {"unreachable limit", p.UnreachableLimit}, {"mic no source timeout", p.MicNoSourceTimeout}} {
		if err := validLimit(d.what, d.d); err != nil {
			return err
		}
	}
	if p.TalkLimit < 0 {
		return startError(StartInvalidParam, "talk limit is %v, must not be negative", p.TalkLimit)
	}
	return nil
}

// Validate reports the first thing wrong as a *StartError.
func (p VerifyCallParam) Validate() error {
	if err := validIDs(p.MyUserID, p.MyServiceID); err != nil {
		return err
	}
	if err := validLimit("mic no source timeout", p.MicNoSourceTimeout); err != nil {
		return err
	}
	return p.CCParam.validate()
}

func validLimit(what string, d time.Duration) error {
	if d < 0 || d > maxLimit {
		return startError(StartInvalidParam, "%s is %v, 0 (default) to %v allowed", what, d, maxLimit)
	}
	return nil
}

func validIDs(user, service string) error {
	if !ValidID(user) {
		return startError(StartInvalidUserID, "my user id %q: want 1 to 64 of a-z A-Z 0-9 . _ -", clip(user))
	}
	if !ValidID(service) {
		return startError(StartInvalidServiceID, "my service id %q: want 1 to 64 of a-z A-Z 0-9 . _ -", clip(service))
	}
	return nil
}

func clip(s string) string {
	if len(s) > maxID {
		return s[:maxID] + "..."
	}
	return s
}

// CCParam is what a push carries of a call: enough to ask its caller, live,
// whether it still stands. It proves nothing by itself.
type CCParam struct {
	callID string
	caller Address
}

// CallID is the call's id.
func (c CCParam) CallID() string { return c.callID }

// Caller is the calling device.
func (c CCParam) Caller() Address { return c.caller }

type ccWire struct {
	V      int     `json:"v"`
	Call   string  `json:"call"`
	Caller Address `json:"caller"`
	Media  string  `json:"media"`
}

// String is the opaque text that travels in a push: base64url of JSON.
func (c CCParam) String() string {
	b, err := json.Marshal(ccWire{1, c.callID, c.caller, "audio"})
	if err != nil {
		return "" // strings and an int: never
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseCCParam reads the text of a push. Anything malformed is a *StartError
// with StartDecodeCallParam.
func ParseCCParam(s string) (CCParam, error) {
	if len(s) > MaxCCParam {
		return CCParam{}, startError(StartDecodeCallParam, "cc_param has %d bytes, at most %d", len(s), MaxCCParam)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return CCParam{}, startError(StartDecodeCallParam, "cc_param is not base64url: %w", err)
	}
	var w ccWire
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(&w); err != nil {
		return CCParam{}, startError(StartDecodeCallParam, "cc_param: %w", err)
	}
	if d.More() || w.V != 1 || w.Media != "audio" {
		return CCParam{}, startError(StartDecodeCallParam, "cc_param of version %d for %q: this version reads 1 for audio", w.V, clip(w.Media))
	}
	c := CCParam{callID: w.Call, caller: w.Caller}
	return c, c.validate()
}

func (c CCParam) validate() error {
	for _, f := range []struct{ what, id string }{
		{"call", c.callID}, {"caller's service", c.caller.Service}, {"caller's user", c.caller.User},
		{"caller's device", c.caller.Device}, {"caller's session", c.caller.Session},
	} {
		if !ValidID(f.id) {
			return startError(StartDecodeCallParam, "cc_param: %s id %q: want 1 to 64 of a-z A-Z 0-9 . _ -", f.what, clip(f.id))
		}
	}
	return nil
}

// EndOptions say more about an end.
type EndOptions struct {
	UserCode string // at most MaxUserCode bytes: the reason is then userError
	Phrase   string // at most MaxPhrase bytes
}

func (o EndOptions) validate() error {
	return errors.Join(atMost("user code", o.UserCode, MaxUserCode), atMost("phrase", o.Phrase, MaxPhrase))
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
