package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// helperPatience is how long a credential helper may take: it may ask a person.
const helperPatience = 2 * time.Minute

func helperName(helper string) string { return "docker-credential-" + helper }

// helperSecret is what helpers read and write.
type helperSecret struct {
	ServerURL, Username, Secret string
}

// askHelper gets a credential, an empty one when the helper has none.
func askHelper(ctx context.Context, helper, key string) (auth.Credential, error) {
	out, err := runHelper(ctx, helper, "get", key)
	if err != nil {
		if strings.Contains(err.Error(), "credentials not found") {
			return auth.EmptyCredential, nil
		}
		return auth.EmptyCredential, err
	}
	var s helperSecret
	if err := json.Unmarshal(out, &s); err != nil {
		return auth.EmptyCredential, errors.New("its answer is no JSON")
	}
	if s.Username == "<token>" {
		return auth.Credential{RefreshToken: s.Secret}, nil
	}
	return auth.Credential{Username: s.Username, Password: s.Secret}, nil
}

// runHelper runs a program of docker's credential helper protocol.
func runHelper(ctx context.Context, helper, action, input string) ([]byte, error) {
	if helper == "" || strings.ContainsAny(helper, "/\\\x00") {
		return nil, fmt.Errorf("%q is no name of a helper", helper)
	}
	ctx, cancel := context.WithTimeout(ctx, helperPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, helperName(helper), action)
	cmd.Stdin = strings.NewReader(input)
	var out, words limitedBuffer
	cmd.Stdout, cmd.Stderr = &out, &words
	err := cmd.Run()
	switch {
	case err == nil:
		return out.Bytes(), nil
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("there is no program %s", helperName(helper))
	}
	// Helpers say what is wrong on stdout. Only of "get" could it be a secret, and
	// then it is JSON.
	said := strings.TrimSpace(out.String() + " " + words.String())
	if said != "" && !strings.Contains(said, "{") {
		return nil, fmt.Errorf("%w: %s", err, said)
	}
	return nil, err
}

// limitedBuffer keeps the first 64 KiB of what a helper says.
type limitedBuffer struct{ bytes.Buffer }

// Write implements io.Writer.
func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > 64<<10 {
		return 0, io.ErrShortWrite
	}
	return b.Buffer.Write(p)
}
