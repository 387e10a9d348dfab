package connect

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dsql/auth"
)

const (
	// tokenLifetime is how long a token is valid at most; DSQL's connections page has 15 minutes as the default.
	tokenLifetime = 15 * time.Minute
	// tokenLeeway is what must be left of it at the start of a dial: DSQL checks it once, when the session begins.
	tokenLeeway = 10 * time.Second
	// signTimeout is for the credentials, which may come from a task's metadata endpoint or STS.
	signTimeout = 10 * time.Second
)

// token is a password of limited life. It prints as no more than that.
type token struct {
	secret          string
	signed, expires time.Time // by the wall clock, as DSQL reads it
}

// String hides the secret from every log and error.
func (t token) String() string {
	return fmt.Sprintf("token until %s", t.expires.UTC().Format(time.RFC3339))
}

// GoString hides it from %#v too.
func (t token) GoString() string { return t.String() }

// usable is whether DSQL takes it now.
func (t token) usable(now time.Time) bool {
	return t.secret != "" && now.Before(t.expires.Add(-tokenLeeway))
}

// fresh is whether it is in the first two thirds of its life; later it is renewed ahead of need.
func (t token) fresh(now time.Time) bool {
	return t.usable(now) && now.Before(t.signed.Add(t.expires.Sub(t.signed)*2/3))
}

// signer signs a token; the real one is sign.
type signer func(ctx context.Context) (token, error)

// tokens keeps a token and renews it.
type tokens struct {
	sign     signer
	observer Observer

	mu      sync.Mutex
	current token
	renewal *renewal // under way, if any
}

type renewal struct {
	done  chan struct{}
	token token
	err   error
}

// get returns a token. One that has turned old is still used while a single renewal runs behind; without one callers wait for that same renewal.
func (t *tokens) get(ctx context.Context) (token, error) {
	now := wall()
	t.mu.Lock()
	current, under := t.current, t.renewal
	if current.fresh(now) {
		t.mu.Unlock()
		return current, nil
	}
	if under == nil {
		under = &renewal{done: make(chan struct{})}
		t.renewal = under
		go t.renew(under)
	}
	t.mu.Unlock()
	if current.usable(now) {
		return current, nil
	}
	select {
	case <-under.done:
		return under.token, under.err
	case <-ctx.Done():
		return token{}, ctx.Err()
	}
}

// renew has a time of its own: a caller who goes away does not end what others wait for.
func (t *tokens) renew(r *renewal) {
	ctx, cancel := context.WithTimeout(context.Background(), signTimeout)
	defer cancel()
	r.token, r.err = t.sign(ctx)
	t.mu.Lock()
	t.renewal = nil
	if r.err == nil {
		t.current = r.token
	}
	t.mu.Unlock()
	close(r.done)
	t.observer.ConnectTokenSigned(r.token.expires.Sub(r.token.signed), r.err)
}

// forget drops a token that DSQL refused, so that the next opening signs another: credentials may have been replaced.
func (t *tokens) forget(refused token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current == refused {
		t.current = token{}
	}
}

// age is how old the cached token is.
func (t *tokens) age() (time.Duration, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.secret == "" {
		return 0, false
	}
	return wall().Sub(t.current.signed), true
}

// wall is the time without its monotonic reading: tokens expire by the wall clock.
func wall() time.Time { return time.Now().Round(0) }

// sign makes a token with AWS credentials. It lives as long as a token may, or as the credentials do if that is shorter.
func sign(endpoint, region string, admin bool, credentials aws.CredentialsProvider) signer {
	generate := auth.GenerateDbConnectAuthToken
	if admin {
		generate = auth.GenerateDBConnectAdminAuthToken
	}
	return func(ctx context.Context) (token, error) {
		if credentials == nil {
			return token{}, errors.New("no AWS credentials: set a task role, a profile or AWS_ACCESS_KEY_ID")
		}
		signing, err := credentials.Retrieve(ctx)
		if err != nil {
			return token{}, fmt.Errorf("no AWS credentials: %w", err)
		}
		now := wall()
		valid := tokenLifetime
		if signing.CanExpire {
			valid = min(valid, signing.Expires.Sub(now).Truncate(time.Second))
		}
		if valid <= 0 {
			return token{}, fmt.Errorf("the AWS credentials of %s ended at %s", signing.Source, signing.Expires.UTC().Format(time.RFC3339))
		}
		// The same credentials sign, so that no renewal in between makes the token end at another time than is noted here.
		same := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return signing, nil })
		secret, err := generate(ctx, endpoint, region, same, func(o *auth.TokenOptions) { o.ExpiresIn = valid })
		if err != nil {
			return token{}, fmt.Errorf("cannot sign a token: %w", err)
		}
		return token{secret: secret, signed: now, expires: now.Add(valid)}, nil
	}
}
