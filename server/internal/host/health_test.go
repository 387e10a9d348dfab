package host

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/server/common/config"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// serveHealth answers health checks as a role does, and gives its port.
func serveHealth(t *testing.T, name string, status healthpb.HealthCheckResponse_ServingStatus, options ...grpc.ServerOption) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(options...)
	answers := health.NewServer()
	answers.SetServingStatus(name, status)
	healthpb.RegisterHealthServer(server, answers)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().(*net.TCPAddr).Port
}

func configOf(service, bind string, port int) *config.Config {
	return &config.Config{Services: map[string]config.Service{service: {RPC: config.RPC{GRPCPort: port, BindOnIP: bind}}}}
}

func check(t *testing.T, cfg *config.Config, service string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return Health(ctx, cfg, service)
}

func TestEveryRoleIsAskedUnderItsName(t *testing.T) {
	for role, name := range healthNames {
		port := serveHealth(t, name, healthpb.HealthCheckResponse_SERVING)
		for _, bind := range []string{"0.0.0.0", "127.0.0.1", ""} {
			require.NoError(t, check(t, configOf(string(role), bind, port), string(role)))
		}
		port = serveHealth(t, name, healthpb.HealthCheckResponse_NOT_SERVING)
		require.ErrorContains(t, check(t, configOf(string(role), "0.0.0.0", port), string(role)), "NOT_SERVING")
	}
}

func TestWhatIsNotHealthy(t *testing.T) {
	port := serveHealth(t, "another.Service", healthpb.HealthCheckResponse_SERVING)
	require.ErrorContains(t, check(t, configOf("history", "0.0.0.0", port), "history"), "history at 127.0.0.1:")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	free := listener.Addr().(*net.TCPAddr).Port
	require.NoError(t, listener.Close())
	require.Error(t, check(t, configOf("history", "0.0.0.0", free), "history"))
	require.ErrorContains(t, check(t, configOf("history", "0.0.0.0", free), "internal-frontend"), "not a service of this configuration")
}

func TestHealthOverTLS(t *testing.T) {
	files := certificate(t, "roles.internal")
	pair, err := tls.LoadX509KeyPair(files.cert, files.key)
	require.NoError(t, err)
	authority, err := os.ReadFile(files.cert)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(authority))
	mutual := credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})

	group := config.GroupTLS{
		Server: config.ServerTLS{CertFile: files.cert, KeyFile: files.key, ClientCAFiles: []string{files.cert}, RequireClientAuth: true},
		Client: config.ClientTLS{ServerName: "roles.internal", RootCAFiles: []string{files.cert}},
	}
	for _, role := range []string{"history", "frontend"} {
		port := serveHealth(t, healthNames[primitivesName(role)], healthpb.HealthCheckResponse_SERVING, grpc.Creds(mutual))
		cfg := configOf(role, "0.0.0.0", port)
		require.Error(t, check(t, cfg, role), "without TLS")
		cfg.Global.TLS.Internode, cfg.Global.TLS.Frontend = group, group
		require.NoError(t, check(t, cfg, role))
		other := group
		other.Client.ServerName = "elsewhere.internal"
		cfg.Global.TLS.Internode, cfg.Global.TLS.Frontend = other, other
		require.ErrorContains(t, check(t, cfg, role), "elsewhere.internal")
	}
}

type certificateFiles struct{ cert, key string }

// certificate writes a certificate that is its own authority.
func certificate(t *testing.T, name string) certificateFiles {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	signed, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	files := certificateFiles{filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")}
	for file, block := range map[string]*pem.Block{files.cert: {Type: "CERTIFICATE", Bytes: signed}, files.key: {Type: "EC PRIVATE KEY", Bytes: private}} {
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	}
	return files
}
