// Command zitadel is the example provider of github.com/zitadel/oidc over TLS on localhost, for the tests.
//
// Standard input is one JSON object, `{"pem", "claims", "id_token_seconds"}`. The program prints the issuer and
// ends with its input. The page's redirect URI and its post-logout URI are registered without a port: the example
// treats the page as a native app, and the provider ignores the port of a native app on 127.0.0.1 (RFC 8252, 7.3).
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const page = "http://127.0.0.1/"

type settings struct {
	PEM            string         `json:"pem"`
	Claims         map[string]any `json:"claims"`
	IDTokenSeconds int            `json:"id_token_seconds"`
}

// users is the example's storage with further claims of each user, and the page as the client.
type users struct {
	*storage.Storage
	settings settings
}

func (s users) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	found, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return client{found, time.Duration(s.settings.IDTokenSeconds) * time.Second}, nil
}

func (s users) SetUserinfoFromRequest(
	ctx context.Context, userinfo *oidc.UserInfo, request op.IDTokenRequest, scopes []string,
) error {
	for name, value := range s.settings.Claims {
		userinfo.AppendClaims(name, value)
	}
	return s.Storage.SetUserinfoFromRequest(ctx, userinfo, request, scopes)
}

// client is the page. The example has no field for a post-logout URI and for the lifetime of ID tokens.
type client struct {
	op.Client
	idTokenLifetime time.Duration
}

func (c client) PostLogoutRedirectURIs() []string {
	return []string{page}
}

func (c client) IDTokenLifetime() time.Duration {
	return c.idTokenLifetime
}

func main() {
	input := json.NewDecoder(os.Stdin)
	var given settings
	if err := input.Decode(&given); err != nil {
		log.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(given.PEM), []byte(given.PEM))
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	issuer := fmt.Sprintf("https://localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	storage.RegisterClients(storage.NativeClient("dashboard", page))
	store := users{storage.NewStorage(storage.NewUserStore(issuer)), given}
	router := exampleop.SetupServer(issuer, store, slog.New(slog.DiscardHandler), false)
	server := &http.Server{
		Handler:   router,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}},
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	go func() { log.Fatal(server.ServeTLS(listener, "", "")) }()
	fmt.Println(issuer)
	_, _ = io.Copy(io.Discard, os.Stdin)
}
