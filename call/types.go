package call

import (
	"errors"
	"fmt"
	"time"
)

// State is what a call is doing, as its user sees it. Nothing ever leaves
// StateDisconnected.
type State int

// The public states of a call.
const (
	StateIdle         State = iota
	StateTrying             // caller: the push has not been confirmed; callee: during the live check
	StateWaitAnswer         // caller: the push left, somebody may ring
	StateVerified           // callee: the caller confirmed, live, that the call stands
	StateConnected          // both
	StateDisconnected       // both, for ever
)

// Role is the side of a call.
type Role int

// The two sides of a call.
const (
	RoleCaller Role = iota + 1
	RoleCallee
)

// Peer is the other side.
func (r Role) Peer() Role {
	if r == RoleCaller {
		return RoleCallee
	}
	return RoleCaller
}

func (r Role) source() Source {
	if r == RoleCaller {
		return SourceCaller
	}
	return SourceCallee
}

// Source tells who ended a call.
type Source int

// Who can end a call. Transport is the network, a time limit or another
// device of the same user; application is the program around the Kit.
const (
	SourceUndefined Source = iota
	SourceCaller
	SourceCallee
	SourceTransport
	SourceApplication
)

// Reason is why a call ended.
type Reason int

// Every reason of the call model. A reason that is not known decodes as
// ReasonUnknown, which is a failure and never a success.
const (
	ReasonUnknown             Reason = iota
	ReasonNormal                     // one side ended the talk
	ReasonUserError                  // so, with a code of its application's
	ReasonCancel                     // the caller ended before the answer
	ReasonDecline                    // the callee ended before connected
	ReasonNoAnswer                   // it rang, and nobody answered in the ring time
	ReasonBusy                       // every device that replied is in a call
	ReasonPushError                  // no device acknowledged, though the push left
	ReasonUnavailableNetwork         // the push never left; or Accept was not answered
	ReasonReleasedCall               // the caller is silent, or it was over before the live check
	ReasonMultiDeviceAnswer          // another device of the user answered
	ReasonMultiDeviceDecline         // another device of the user declined
	ReasonMultiDeviceInUse           // never sent
	ReasonAlreadyGotACall            // the loser of a glare
	ReasonMicNoSource                // the microphone gave nothing for the timeout
	ReasonMaxCallTimeExceeded        // the talk limit passed
	ReasonNetworkUnstable            // the other end vanished for the grace time, 10 s
	ReasonAuthError                  // the media's fingerprint is not the signed one
	ReasonAppDestroy                 // a Kit was closed
	ReasonSystemSleep                // a system goes to sleep
	ReasonInternalError              // a bug was caught, or a bound passed
	ReasonCellCall                   // this and all below are never sent
	ReasonServiceAccessTokenError
	ReasonServiceInvalidID
	ReasonServiceMaintenance
	ReasonServiceBusy
	ReasonServiceInternalError
)

// StartFailReason is why a call did not start.
type StartFailReason int

// Every start reason of the call model. StartUnknown stands for a value of a
// later version; it is a failure.
const (
	StartNone                 StartFailReason = iota
	StartInvalidParam                         // a limit or time out of its range; a bad group
	StartAlreadyExist                         // this device is in a call
	StartDecodeCallParam                      // the cc_param is malformed
	StartIDConflict                           // the peer is this user
	StartReuse                                // the cc_param was used on this device
	StartInvalidUserID                        // malformed, or not this Kit's
	StartInvalidServiceID                     // malformed, or not this Kit's
	StartInvalidAccessToken                   // malformed, expired, or not of this device
	StartTooLongAppServerData                 // over MaxAppData
	StartNotInitialized                       // the zero Kit, or a closed one
	StartNoPermissionMic                      // Config.Microphone says why
	StartInvalidState                         // another process of this device has the call, or it is on its way between two
	StartInternal                             // an error that carries no reason
	StartUnknown
)

var stateNames = [...]string{"idle", "trying", "waitAnswer", "verified", "connected", "disconnected"}
var roleNames = [...]string{"", "caller", "callee"}
var sourceNames = [...]string{"undefined", "caller", "callee", "transport", "application"}
var reasonNames = [...]string{
	"unknown", "normal", "userError", "cancel", "decline", "noAnswer", "busy", "pushError",
	"unavailableNetwork", "releasedCall", "multiDeviceAnswer", "multiDeviceDecline", "multiDeviceInUse",
	"alreadyGotACall", "micNoSource", "maxCallTimeExceeded", "networkUnstable", "authError", "appDestroy",
	"systemSleep", "internalError", "cellCall", "serviceAccessTokenError", "serviceInvalidID",
	"serviceMaintenance", "serviceBusy", "serviceInternalError",
}
var startNames = [...]string{
	"none", "invalidParam", "alreadyExist", "decodeCallParam", "idConflict", "reuse", "invalidUserId",
	"invalidServiceId", "invalidAccessToken", "tooLongAppServerData", "notInitialized", "noPermissionMic",
	"invalidState", "internal", "unknown",
}

func name(names []string, i int, none string) string {
	if i < 0 || i >= len(names) {
		return none
	}
	return names[i]
}

// index finds a name; what is not known becomes unknown.
func index(names []string, text []byte, unknown int) int {
	for i, n := range names {
		if n == string(text) {
			return i
		}
	}
	return unknown
}

func (s State) String() string           { return name(stateNames[:], int(s), "unknown") }
func (r Role) String() string            { return name(roleNames[:], int(r), "unknown") }
func (s Source) String() string          { return name(sourceNames[:], int(s), "undefined") }
func (r Reason) String() string          { return name(reasonNames[:], int(r), "unknown") }
func (r StartFailReason) String() string { return name(startNames[:], int(r), "unknown") }

// MarshalText writes the model's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the model's name; what is not known is StateDisconnected.
func (s *State) UnmarshalText(b []byte) error {
	*s = State(index(stateNames[:], b, int(StateDisconnected)))
	return nil
}

// MarshalText writes the model's name.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the model's name; what is not known is no role, 0.
func (r *Role) UnmarshalText(b []byte) error { *r = Role(index(roleNames[:], b, 0)); return nil }

// MarshalText writes the model's name.
func (s Source) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the model's name; what is not known is undefined.
func (s *Source) UnmarshalText(b []byte) error {
	*s = Source(index(sourceNames[:], b, int(SourceUndefined)))
	return nil
}

// MarshalText writes the model's name.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the model's name; what is not known is ReasonUnknown.
func (r *Reason) UnmarshalText(b []byte) error {
	*r = Reason(index(reasonNames[:], b, int(ReasonUnknown)))
	return nil
}

// StartError is why MakeCall, VerifyCall or ParseCCParam, say, failed. errors.As
// finds it, and errors.Is compares with a reason: errors.Is(err, StartReuse).
type StartError struct {
	Reason StartFailReason
	Err    error // what was wrong, for a person
}

func (e *StartError) Error() string {
	if e.Err == nil {
		return "call: " + e.Reason.String()
	}
	return fmt.Sprintf("call: %s: %v", e.Reason.String(), e.Err)
}

// Unwrap gives the cause.
func (e *StartError) Unwrap() error { return e.Err }

// Is reports whether target is the same start reason.
func (e *StartError) Is(target error) bool {
	r, ok := target.(StartFailReason)
	return ok && r == e.Reason
}

// Error makes a reason usable as the target of errors.Is.
func (r StartFailReason) Error() string { return "call: " + r.String() }

// StartReason is the reason in err, StartNone for a nil error and
// StartInternal for an error that carries none.
func StartReason(err error) StartFailReason {
	if err == nil {
		return StartNone
	}
	var e *StartError
	if errors.As(err, &e) && e.Reason != StartNone {
		return e.Reason
	}
	return StartInternal
}

func startError(r StartFailReason, format string, args ...any) error {
	return &StartError{Reason: r, Err: fmt.Errorf(format, args...)}
}

// Disconnected is how a call ended, as told once to each side.
type Disconnected struct {
	Reason   Reason `json:"reason"`
	Source   Source `json:"source"`
	ByRemote bool   `json:"by_remote"` // exactly when Source is the other side's role
	UserCode string `json:"user_code,omitempty"`
	Phrase   string `json:"phrase,omitempty"`
	// AnsweredBy is the device ("user/device") that took the call, where
	// another device of the user or of the ring group did.
	AnsweredBy string `json:"answered_by,omitempty"`
}

// The limits of the call model.
const (
	MaxAppData       = 4096             // bytes
	MaxStartMessage  = 200              // bytes
	MaxPhrase        = 128              // bytes
	MaxUserCode      = 64               // bytes
	MaxHoldReason    = 256              // bytes
	MaxShortType     = 100              // bytes
	MaxShortData     = 800              // bytes
	MaxDevices       = 8                // devices of one user that ring at once
	MaxCCParam       = 2048             // bytes
	DefaultRingTime  = 60 * time.Second // of MakeCallParam.RingTime
	DefaultReachTime = 10 * time.Second // of MakeCallParam.UnreachableLimit
	DefaultUnreach   = 2 * time.Second  // of MakeCallParam.UnreachableAfter
	replyTime        = 2 * time.Second  // in which busy devices don't end a call: another may still ring
	leaseTime        = 5 * time.Second
	pushInterval     = time.Second
	graceTime        = 10 * time.Second
	acceptLimit      = 5 * time.Second
	preparationLimit = 60 * time.Second
	ringGrace        = 2 * time.Second // the callee waits this much longer than the caller
)
