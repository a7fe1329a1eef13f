package registry

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestSkopeoRegistry moves images with another tool: ours are taken by it, and its are
// taken by us, with the same digest.
func TestSkopeoRegistry(t *testing.T) {
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not installed")
	}
	skopeo := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("skopeo", append([]string{"--insecure-policy"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("skopeo %v: %v\n%s", args, err, out)
		}
	}
	dir := t.TempDir()
	s := testStore(t)
	name := ref(t, "acme/tool:v1")
	want := put(t, s, testImage("x"), name.String())
	ours, theirs := filepath.Join(dir, "ours.tar"), filepath.Join(dir, "theirs.tar")
	saveTar(t, ours, s, name)
	r := modernRegistry(t, nil)
	remote, to := r.remote(t, "acme/tool:v2")
	skopeo("copy", "--all", "--dest-tls-verify=false", "oci-archive:"+ours, "docker://"+to.String())
	same(t, remote, to.String(), want, nil)
	skopeo("copy", "--all", "--src-tls-verify=false", "docker://"+to.String(), "oci-archive:"+theirs+":"+name.String())
	archive, err := OpenTar(theirs)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	same(t, archive, name.String(), want, nil)
	skopeo("copy", "--all", "oci:"+s.Dir()+":"+name.String(), "dir:"+filepath.Join(dir, "dir"))
}
