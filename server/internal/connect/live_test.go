//go:build live

package connect

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/stdlib"

	"auroral/server/internal/session"
	"auroral/server/internal/settings"
)

// oneAtATime is in front of a DynamoDB and lets one request through after the other. DynamoDB's UpdateItem is atomic; moto's is not: its server has
// a thread a request and no lock between the condition and the write, and let 38 through a limit of 37. A counter that reads and then writes in
// requests of its own would still fail here.
func oneAtATime(t *testing.T, address string) string {
	t.Helper()
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	var turn sync.Mutex
	forward := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		turn.Lock()
		defer turn.Unlock()
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	return front.URL
}

// table makes a table as the Terraform module does, on the DynamoDB at AURORAL_TEST_DYNAMODB, through the SDK's own variables.
func table(t *testing.T) (*dynamodb.Client, string, aws.Config) {
	t.Helper()
	address := os.Getenv("AURORAL_TEST_DYNAMODB")
	if address == "" {
		t.Fatal("AURORAL_TEST_DYNAMODB is not set; expected the URL of a DynamoDB, such as http://127.0.0.1:5001 of `moto_server -p 5001`")
	}
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", oneAtATime(t, address))
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	found, err := LoadAWS(t.Context(), settings.Settings{Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	client := dynamodb.NewFromConfig(found)
	name := "limits-" + strconv.FormatInt(time.Now().UnixNano(), 10)
	if _, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
			t.Error(err)
		}
	})
	return client, name, found
}

func TestLiveCounterHoldsItsLimit(t *testing.T) {
	client, name, _ := table(t)
	const second, limit, askers = 1764000000, 37, 100
	counter := NewCounter(client, name, testEndpoint, limit)
	var mu sync.Mutex
	taken := 0
	var all sync.WaitGroup
	for range askers {
		all.Go(func() {
			got, err := counter.Take(t.Context(), second)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if got {
				taken++
			}
		})
	}
	all.Wait()
	if taken != limit {
		t.Errorf("%d of %d taken, the limit is %d", taken, askers, limit)
	}
	if got, err := counter.Take(t.Context(), second+1); !got || err != nil {
		t.Errorf("the next second: %v, %v", got, err)
	}
	if got, err := NewCounter(client, name, "another", limit).Take(t.Context(), second); !got || err != nil {
		t.Errorf("another cluster: %v, %v", got, err)
	}
	item, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: &name, Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "dsqlconnect#" + testEndpoint + "#1764000000"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if ttl, ok := item.Item["ttl_epoch"].(*types.AttributeValueMemberN); !ok || ttl.Value != "1764000180" {
		t.Errorf("%+v", item.Item)
	}
}

func TestLiveCounterWithoutItsTable(t *testing.T) {
	client, _, _ := table(t)
	if got, err := NewCounter(client, "missing", testEndpoint, 1).Take(t.Context(), 1); got || err == nil {
		t.Errorf("%v, %v", got, err)
	}
}

// Several processes through gates of their own: every second that they were let through in holds at most the limit.
func TestLiveGatesShareTheLimit(t *testing.T) {
	_, name, found := table(t)
	const limit = 8
	observer := &heard{}
	var mu sync.Mutex
	through := map[int64]int{}
	var all sync.WaitGroup
	for range 3 {
		gate := GateOf(settings.Settings{
			Endpoint: testEndpoint, RatePerS: 1000, Burst: 1000, Counter: true, CounterTable: name, CounterLimit: limit,
		}, found, observer, nil)
		counted := gate.options.Shared
		gate.options.Shared = sharedFunc(func(ctx context.Context, second int64) (bool, error) {
			got, err := counted.Take(ctx, second)
			if got {
				mu.Lock()
				defer mu.Unlock()
				through[second]++
			}
			return got, err
		})
		for range 8 {
			all.Go(func() {
				if err := gate.Pass(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	total := 0
	for second, n := range through {
		total += n
		if n > limit {
			t.Errorf("%d in second %d", n, second)
		}
	}
	if total != 24 || observer.uncounted != 0 {
		t.Errorf("%d through the counter, %d past it; want 24", total, observer.uncounted)
	}
}

// A real session, behind a proxy that ends TLS as DSQL does: statements run, a duration is stored as nanoseconds.
func TestLiveSession(t *testing.T) {
	given := os.Getenv("AURORAL_TEST_POSTGRES")
	if given == "" {
		t.Fatal("AURORAL_TEST_POSTGRES is not set; expected postgres://user@host:port/database of a PostgreSQL")
	}
	behind, err := pgx.ParseConfig(given)
	if err != nil {
		t.Fatal(err)
	}
	config, caFile := certificate(t, testEndpoint)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go proxy(listener, config, net.JoinHostPort(behind.Host, strconv.Itoa(int(behind.Port))))
	d, err := New(Options{
		Endpoint: testEndpoint, Port: listener.Addr().(*net.TCPAddr).Port, HostAddress: "127.0.0.1", Database: behind.Database, User: behind.User, Region: "eu-west-1",
		CAFile: caFile, Application: "auroral-server test", ConnectTimeout: 5 * time.Second, Credentials: credentialsUntil(0),
		Gate: NewGate(GateOptions{RatePerS: 100, Burst: 1}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if behind.Password != "" { // PostgreSQL asks for its own; DSQL's token goes the same way
		d.tokens.sign = func(context.Context) (token, error) {
			return token{secret: behind.Password, signed: time.Now(), expires: time.Now().Add(time.Minute)}, nil
		}
	}
	conn, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var application string
	var nanos int64
	if err := conn.(*stdlib.Conn).Conn().QueryRow(t.Context(),
		"SELECT current_setting('application_name'), $1::bigint", 5*time.Second).Scan(&application, &nanos); err != nil {
		t.Fatal(err)
	}
	if application != "auroral-server test" || nanos != int64(5*time.Second) || session.StateOf(conn) != session.Ready {
		t.Errorf("%s, %d", application, nanos)
	}
}

func proxy(listener net.Listener, config *tls.Config, database string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			if _, err := pgproto3.NewBackend(conn, conn).ReceiveStartupMessage(); err != nil {
				return
			}
			if _, err := conn.Write([]byte("S")); err != nil {
				return
			}
			secure := tls.Server(conn, config)
			behind, err := net.Dial("tcp", database)
			if err != nil {
				return
			}
			defer func() { _ = behind.Close() }()
			go func() { _, _ = io.Copy(behind, secure) }()
			_, _ = io.Copy(secure, behind)
		}()
	}
}
