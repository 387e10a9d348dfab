package connect

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// server speaks what a session's begin needs of PostgreSQL's protocol, behind TLS, and answers as a test says. DSQL's refusals cannot be had from a
// real PostgreSQL.
type server struct {
	t       *testing.T
	address string
	port    int
	caFile  string
	tls     *tls.Config
	greet   func(backend *pgproto3.Backend, password string)

	mu        sync.Mutex
	accepted  int
	names     []string // the server names that TLS asked for
	startups  []map[string]string
	passwords []string
}

const testEndpoint = "abc.dsql.eu-west-1.on.aws"

// serve starts a server with a certificate for a name.
func serve(t *testing.T, name string, greet func(*pgproto3.Backend, string)) *server {
	t.Helper()
	s := &server{t: t, greet: greet}
	s.tls, s.caFile = certificate(t, name)
	s.tls.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.names = append(s.names, hello.ServerName)
		return nil, nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	s.port = listener.Addr().(*net.TCPAddr).Port
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.accepted++
			s.mu.Unlock()
			sessions.Go(func() { s.session(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		sessions.Wait()
	})
	return s
}

func (s *server) session(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	request, err := pgproto3.NewBackend(conn, conn).ReceiveStartupMessage()
	if err != nil {
		return
	}
	if _, encrypted := request.(*pgproto3.SSLRequest); !encrypted {
		s.t.Errorf("the first message is a %T: not encrypted", request)
		return
	}
	if _, err := conn.Write([]byte("S")); err != nil {
		return
	}
	secure := tls.Server(conn, s.tls)
	backend := pgproto3.NewBackend(secure, secure)
	startup, err := backend.ReceiveStartupMessage()
	if err != nil {
		return
	}
	parameters, _ := startup.(*pgproto3.StartupMessage)
	_ = backend.SetAuthType(pgproto3.AuthTypeCleartextPassword)
	backend.Send(&pgproto3.AuthenticationCleartextPassword{})
	if backend.Flush() != nil {
		return
	}
	answer, err := backend.Receive()
	if err != nil {
		return
	}
	password, _ := answer.(*pgproto3.PasswordMessage)
	s.mu.Lock()
	s.startups = append(s.startups, parameters.Parameters)
	s.passwords = append(s.passwords, password.Password)
	s.mu.Unlock()
	s.greet(backend, password.Password)
	_ = backend.Flush()
	_, _ = io.Copy(io.Discard, secure) // until the client leaves
}

func welcome(backend *pgproto3.Backend, _ string) {
	backend.Send(&pgproto3.AuthenticationOk{})
	backend.Send(&pgproto3.ParameterStatus{Name: "standard_conforming_strings", Value: "on"})
	backend.Send(&pgproto3.ParameterStatus{Name: "client_encoding", Value: "UTF8"})
	backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
}

func refuse(code, message string) func(*pgproto3.Backend, string) {
	return func(backend *pgproto3.Backend, _ string) {
		backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: code, Message: message})
	}
}

// certificate makes a certificate for a name that is its own authority, and a file with it.
func certificate(t *testing.T, name string) (*tls.Config, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}, file
}
