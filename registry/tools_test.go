//go:build interop

package registry

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// toolbox runs other tools against a registry of ours.
type toolbox struct {
	t   *testing.T
	env []string
	// plain is true when the registry has no TLS.
	plain bool
}

// tools gives other programs the credentials and certificates that our client has.
func (r testRegistry) tools(t *testing.T) toolbox {
	t.Helper()
	b := toolbox{t: t, env: os.Environ(), plain: r.client.CAFile == ""}
	if b.plain {
		return b
	}
	config := t.TempDir()
	auth, err := os.ReadFile(r.client.Credentials.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(config, "config.json"), string(auth))
	b.env = append(b.env, "SSL_CERT_FILE="+r.client.CAFile, "DOCKER_CONFIG="+config, "REGISTRY_AUTH_FILE="+filepath.Join(config, "config.json"))
	return b
}

// run returns what a tool says on stdout.
func (b toolbox) run(tool string, args ...string) string {
	b.t.Helper()
	cmd := exec.Command(tool, args...)
	cmd.Env, cmd.Dir = b.env, b.t.TempDir()
	var words strings.Builder
	cmd.Stderr = &words
	out, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("%s %v: %v\n%s%s", tool, args, err, out, words.String())
	}
	return string(out)
}

// oras adds the flags of a registry without TLS: oras has one for each side of a copy.
func (b toolbox) oras(args ...string) string {
	b.t.Helper()
	switch {
	case !b.plain:
	case args[0] == "cp" && slices.Contains(args, "--from-oci-layout"):
		args = append(args, "--to-plain-http")
	case args[0] == "cp" && slices.Contains(args, "--to-oci-layout"):
		args = append(args, "--from-plain-http")
	case args[0] == "cp":
		args = append(args, "--from-plain-http", "--to-plain-http")
	default:
		args = append(args, "--plain-http")
	}
	return b.run("oras", args...)
}

func (b toolbox) skopeo(args ...string) string {
	b.t.Helper()
	if b.plain {
		args = append(args, "--src-tls-verify=false", "--dest-tls-verify=false")
	}
	return b.run("skopeo", append([]string{"--insecure-policy"}, args...)...)
}

// TestTools moves images with oras, crane and skopeo, from us to them and back, on
// registries with and without TLS and referrers. Digests stay the same, and what is
// attached stays attached where the tool has an option for that.
func TestTools(t *testing.T) {
	for name, start := range map[string]func(testing.TB) testRegistry{
		"with referrers":  func(t testing.TB) testRegistry { return modernRegistry(t, nil) },
		"docker-registry": distribution,
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			s := testStore(t)
			d := put(t, s, testImage("x"), "acme/tool:v1")
			attached := sign(t, s, d, "acme/tool:v1")
			remote, ours := r.remote(t, "acme/tool:v1")
			mustCopy(t, s, "acme/tool:v1", remote, ours)
			theirs := func(t *testing.T, name string, attached []digest.Digest) {
				t.Helper()
				there, to := r.remote(t, name)
				same(t, there, to.String(), d, attached)
				pulled := testStore(t)
				mustCopy(t, there, to.String(), pulled, to)
				same(t, pulled, to.String(), d, attached)
			}
			host, image, dir := r.host, ours.String(), t.TempDir()

			t.Run("oras", func(t *testing.T) {
				b := r.tools(t)
				if got := b.oras("manifest", "fetch", "--descriptor", image); !strings.Contains(got, d.String()) {
					t.Errorf("manifest fetch: %s", got)
				}
				// The title of a gadget is for oras the name of a file; without --config it
				// would be that of two.
				b.oras("pull", "--platform", "linux/arm64", "--config", "gadget.yaml", image)
				if got := b.oras("discover", "-o", "json", image); !strings.Contains(got, attached[0].String()) {
					t.Errorf("discover: %s", got)
				}
				b.oras("cp", "-r", image, host+"/oras/copied:v1")
				// Those that name their subject: oras does not know the tag of cosign.
				theirs(t, "oras/copied:v1", attached[:2])
				b.oras("cp", "--to-oci-layout", image, filepath.Join(dir, "oras")+":v1")
				b.oras("cp", "--from-oci-layout", filepath.Join(dir, "oras")+":v1", host+"/oras/pushed:v1")
				theirs(t, "oras/pushed:v1", nil)
				write(t, filepath.Join(dir, "note.txt"), "hello")
				b.oras("attach", "--disable-path-validation", "--artifact-type", "text/plain", host+"/oras/pushed:v1", filepath.Join(dir, "note.txt"))
				there, to := r.remote(t, "oras/pushed:v1")
				c := mustCopy(t, there, to.String(), testStore(t), to)
				if len(c.Attached) != 1 {
					t.Errorf("what oras has attached was not pulled: %+v", c)
				}
			})
			t.Run("crane", func(t *testing.T) {
				b := r.tools(t)
				if got := digest.FromString(b.run("crane", "manifest", image)); got != d {
					t.Errorf("manifest has digest %s", got)
				}
				if got := strings.TrimSpace(b.run("crane", "digest", image)); got != d.String() {
					t.Errorf("digest %s", got)
				}
				b.run("crane", "copy", image, host+"/crane/copied:v1")
				theirs(t, "crane/copied:v1", nil)
			})
			t.Run("skopeo", func(t *testing.T) {
				b := r.tools(t)
				b.skopeo("copy", "--all", "docker://"+image, "docker://"+host+"/skopeo/copied:v1")
				theirs(t, "skopeo/copied:v1", nil)
				b.skopeo("copy", "--all", "docker://"+image, "oci-archive:"+filepath.Join(dir, "skopeo.tar")+":v1")
				archive, err := OpenTar(filepath.Join(dir, "skopeo.tar"))
				if err != nil {
					t.Fatal(err)
				}
				defer archive.Close()
				same(t, archive, "v1", d, nil)
				// As a container image it is one for skopeo, too.
				img, err := s.Image(t.Context(), d)
				if err != nil {
					t.Fatal(err)
				}
				compat, err := AsContainerImage(img)
				if err != nil {
					t.Fatal(err)
				}
				there, to := r.remote(t, "compat/tool:v1")
				mustCopy(t, compat, "", there, to)
				b.skopeo("copy", "--all", "docker://"+to.String(), "docker://"+host+"/compat/copied:v1")
				there, to = r.remote(t, "compat/copied:v1")
				same(t, there, to.String(), compat.Digest, nil)
			})
		})
	}
}
