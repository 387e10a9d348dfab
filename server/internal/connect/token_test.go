package connect

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// signing makes tokens that are numbered and valid for a time; each takes a second to sign.
func signing(valid time.Duration, count *int, fail *bool) *tokens {
	return &tokens{observer: silent{}, sign: func(context.Context) (token, error) {
		time.Sleep(time.Second)
		if *fail {
			return token{}, errors.New("no credentials")
		}
		*count++
		return token{secret: fmt.Sprint("secret-", *count), signed: wall(), expires: wall().Add(valid)}, nil
	}}
}

func secret(t *testing.T, tokens *tokens) string {
	t.Helper()
	got, err := tokens.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got.secret
}

func TestOneTokenIsSignedForAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count, fail := 0, false
		tokens := signing(15*time.Minute, &count, &fail)
		if _, known := tokens.age(); known {
			t.Error("an age before the first token")
		}
		impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := tokens.get(impatient); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if got := secret(t, tokens); got != "secret-1" {
					t.Error(got)
				}
			})
		}
		all.Wait()
		time.Sleep(time.Minute)
		if age, known := tokens.age(); count != 1 || !known || age != time.Minute {
			t.Fatalf("%d signed, age %v", count, age)
		}
	})
}

func TestAnOldTokenIsUsedWhileItIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count, fail := 0, false
		tokens := signing(15*time.Minute, &count, &fail)
		secret(t, tokens)
		time.Sleep(10*time.Minute - time.Nanosecond)
		if got := secret(t, tokens); got != "secret-1" || tokens.renewal != nil {
			t.Fatal("renewed before two thirds of its life")
		}
		time.Sleep(time.Nanosecond)
		start := time.Now()
		if got := secret(t, tokens); got != "secret-1" || time.Since(start) != 0 {
			t.Fatalf("%s after %v: the old one is still good", got, time.Since(start))
		}
		time.Sleep(2 * time.Second)
		if got := secret(t, tokens); got != "secret-2" {
			t.Fatal(got)
		}
	})
}

func TestAFailedRenewalLeavesTheOldTokenUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count, fail := 0, false
		tokens := signing(15*time.Minute, &count, &fail)
		secret(t, tokens)
		fail = true
		for range 4 {
			time.Sleep(3*time.Minute + 30*time.Second)
			if got := secret(t, tokens); got != "secret-1" {
				t.Fatal(got)
			}
			time.Sleep(2 * time.Second)
		}
		time.Sleep(time.Minute) // less than the leeway is left
		if _, err := tokens.get(t.Context()); err == nil || !strings.Contains(err.Error(), "no credentials") {
			t.Fatal(err)
		}
		fail = false
		if got := secret(t, tokens); got != "secret-2" {
			t.Fatal(got)
		}
	})
}

func TestARefusedTokenIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count, fail := 0, false
		tokens := signing(15*time.Minute, &count, &fail)
		first, _ := tokens.get(t.Context())
		tokens.forget(first)
		second, _ := tokens.get(t.Context())
		tokens.forget(first) // another opening with the first one was refused late
		if got := secret(t, tokens); got != "secret-2" || second.secret != got {
			t.Fatal(got)
		}
	})
}

// credentialsUntil are credentials that end after a time; 0 for those that do not end.
func credentialsUntil(life time.Duration) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		c := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI", SessionToken: "session", Source: "test"}
		if life != 0 {
			c.CanExpire, c.Expires = true, time.Now().Add(life)
		}
		return c, nil
	})
}

func TestSignedTokensEndWithTheirCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for about, c := range map[string]struct {
			life    time.Duration
			admin   bool
			seconds string
			action  string
		}{
			"no end":              {0, false, "900", "DbConnect"},
			"hours left":          {6 * time.Hour, false, "900", "DbConnect"},
			"minutes left":        {4*time.Minute + 500*time.Millisecond, false, "240", "DbConnect"},
			"the administrator's": {0, true, "900", "DbConnectAdmin"},
		} {
			got, err := sign("abc.dsql.eu-west-1.on.aws", "eu-west-1", c.admin, credentialsUntil(c.life))(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := url.Parse("https://" + got.secret)
			if err != nil {
				t.Fatal(err)
			}
			query := parsed.Query()
			if parsed.Host != "abc.dsql.eu-west-1.on.aws" || query.Get("Action") != c.action || query.Get("X-Amz-Expires") != c.seconds ||
				!strings.Contains(query.Get("X-Amz-Credential"), "/eu-west-1/dsql/aws4_request") {
				t.Errorf("%s: %s", about, got.secret)
			}
			if valid := got.expires.Sub(got.signed); fmt.Sprint(valid.Seconds()) != c.seconds {
				t.Errorf("%s: noted as valid for %v", about, valid)
			}
		}
		if _, err := sign("e", "r", false, credentialsUntil(-time.Minute))(t.Context()); err == nil || !strings.Contains(err.Error(), "credentials of test ended at") {
			t.Error(err)
		}
		if _, err := sign("e", "r", false, nil)(t.Context()); err == nil || !strings.Contains(err.Error(), "set a task role") {
			t.Error(err)
		}
	})
}

func TestATokenDoesNotPrintItsSecret(t *testing.T) {
	shown := token{secret: "s3cr3t", signed: time.Unix(0, 0), expires: time.Unix(900, 0)}
	for _, text := range []string{fmt.Sprint(shown), fmt.Sprintf("%+v", shown), fmt.Sprintf("%#v", shown), fmt.Sprintf("%s %q", shown, &shown)} {
		if strings.Contains(text, "s3cr3t") {
			t.Error(text)
		}
	}
}
