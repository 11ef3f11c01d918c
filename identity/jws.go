package identity

import (
	"errors"
	"fmt"
	"slices"

	jose "github.com/go-jose/go-jose/v4"
)

// The typ headers keep a token from passing for an envelope and the reverse.
const (
	typToken    = "JWT"          // RFC 7519 section 5.1
	typEnvelope = "intercom+jws" // ours
)

const (
	headerToken jose.HeaderKey = "tok" // the sender's access token
	headerTyp   jose.HeaderKey = jose.HeaderType
)

func newSigner(key Key, typ jose.ContentType, extra map[jose.HeaderKey]any) (jose.Signer, error) {
	if key.secret == nil {
		return nil, errors.New("no key")
	}
	opts := (&jose.SignerOptions{}).WithType(typ)
	for name, value := range extra {
		opts.WithHeader(name, value)
	}
	return jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key.secret()}, opts)
}

func signCompact(signer jose.Signer, payload []byte) (string, error) {
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// unverified is a compact JWS of the right form whose signature was not
// checked yet.
type unverified struct {
	jws    *jose.JSONWebSignature
	header map[jose.HeaderKey]any // what the header holds beside alg and kid
}

// parseCompact reads the compact serialisation (RFC 7515 section 7.1) and
// refuses all that could steer how the signature is checked: other algorithms
// and forms, and headers that carry or point to a key or change the payload's
// encoding (jwk, jku, x5u, crit, b64 and any other name not in allowed).
func parseCompact(data string, limit int, typ string, allowed ...jose.HeaderKey) (unverified, error) {
	if len(data) > limit {
		return unverified{}, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrOversized, len(data), limit)
	}
	// The base64 decoder passes over line breaks; two spellings of one
	// message would then both be valid.
	for i := range len(data) {
		if c := data[i]; c != '.' && c != '_' && c != '-' && !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') {
			return unverified{}, fmt.Errorf("%w: not a compact JWS: byte %#02x at %d", ErrMalformed, c, i)
		}
	}
	jws, err := jose.ParseSignedCompact(data, []jose.SignatureAlgorithm{jose.EdDSA})
	var algorithm *jose.ErrUnexpectedSignatureAlgorithm
	if errors.As(err, &algorithm) {
		if algorithm.Got == "none" {
			return unverified{}, fmt.Errorf("%w: algorithm \"none\"", ErrUnsigned)
		}
		return unverified{}, fmt.Errorf("%w: %.40q", ErrAlgorithm, algorithm.Got)
	}
	if err != nil {
		return unverified{}, fmt.Errorf("%w: %.200s", ErrMalformed, err)
	}
	signature := jws.Signatures[0]
	if len(signature.Signature) == 0 {
		return unverified{}, ErrUnsigned
	}
	header := signature.Protected
	if header.JSONWebKey != nil {
		return unverified{}, fmt.Errorf("%w: header carries a key", ErrMalformed)
	}
	for name := range header.ExtraHeaders {
		if name != headerTyp && !slices.Contains(allowed, name) {
			return unverified{}, fmt.Errorf("%w: header %.40q is not allowed", ErrMalformed, name)
		}
	}
	if got, _ := header.ExtraHeaders[headerTyp].(string); got != typ {
		return unverified{}, fmt.Errorf("%w: header typ is %.40q, want %q", ErrMalformed, got, typ)
	}
	return unverified{jws, header.ExtraHeaders}, nil
}
