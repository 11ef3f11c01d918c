package identity

import "errors"

// refusal is a reason why an envelope or token was refused.
type refusal struct{ kind, text string }

func (r *refusal) Error() string { return r.text }

// Why an envelope or a token is refused; reachable by errors.Is. A bad token
// inside an envelope is ErrToken or ErrExpired, with its own cause below it.
var (
	ErrOversized error = &refusal{"oversized", "too large"}
	ErrMalformed error = &refusal{"malformed", "malformed"}
	ErrUnsigned  error = &refusal{"unsigned", "not signed"}
	ErrAlgorithm error = &refusal{"algorithm", "signature algorithm is not EdDSA"}
	ErrToken     error = &refusal{"token", "access token refused"}
	ErrExpired   error = &refusal{"expired", "access token has expired"}
	ErrSignature error = &refusal{"signature", "wrong signature"}
	ErrSender    error = &refusal{"sender", "sender is not the device that its access token names"}
	ErrVersion   error = &refusal{"version", "unknown version"}
	ErrAddressee error = &refusal{"addressee", "addressed to someone else"}
)

// Kind is the short stable name of the outermost reason in err, for counters
// and logs: "oversized", "malformed", "unsigned", "algorithm", "token",
// "expired", "signature", "sender", "version" or "addressee". It is "" for nil
// and for errors that are none of these.
func Kind(err error) string {
	var r *refusal
	if errors.As(err, &r) {
		return r.kind
	}
	return ""
}
