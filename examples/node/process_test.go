// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a node that runs by itself.
type process struct {
	command *exec.Cmd
	url     string
	log     string // until it listened
}

// builds is where the program is built, once for all tests; TestMain removes it.
var builds string

var built = sync.OnceValues(func() (program string, err error) {
	if builds, err = os.MkdirTemp("", "node"); err != nil {
		return "", err
	}
	program = filepath.Join(builds, "node")
	if output, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, output)
	}
	return program, nil
})

// build builds the program, unless another test has, and returns its path.
func build(t *testing.T) string {
	t.Helper()
	program, err := built()
	must(t, err)
	return program
}

// start runs the program and waits until it listens.
func start(t *testing.T, program, data string, flags ...string) *process {
	t.Helper()
	flags = append([]string{"-listen", "127.0.0.1:0", "-data", data, "-memory", "16777216", "-leave", "10ms"}, flags...)
	command := exec.Command(program, flags...)
	output, err := command.StderrPipe()
	must(t, err)
	must(t, command.Start())
	p := &process{command: command}
	t.Cleanup(func() { _ = command.Process.Kill() })
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		p.log += lines.Text() + "\n"
		if _, address, found := strings.Cut(lines.Text(), "address="); found {
			p.url = "http://" + address
			return p // what it writes later fits the pipe
		}
	}
	t.Fatalf("the node does not listen: %s", p.log)
	return nil
}

// stop asks the process to leave, and waits.
func (p *process) stop(t *testing.T) {
	t.Helper()
	must(t, p.command.Process.Signal(syscall.SIGTERM))
	if err := p.command.Wait(); err != nil {
		t.Errorf("the node left with %v", err)
	}
}

// kill ends the process where it is.
func (p *process) kill(t *testing.T) {
	t.Helper()
	must(t, p.command.Process.Kill())
	_ = p.command.Wait()
}

// put writes entries key/0, key/1 and so on, each with a text.
func (p *process) put(t *testing.T, entries int, text string) {
	t.Helper()
	for i := range entries {
		if status, body := ask(t, "PUT", fmt.Sprint(p.url, "/v1/entries/key/", i), fmt.Sprint(text, i)); status != 204 {
			t.Fatalf("put: %d, %s", status, body)
		}
	}
}

// want reads such entries.
func (p *process) want(t *testing.T, entries int, text string) {
	t.Helper()
	for i := range entries {
		status, got := ask(t, "GET", fmt.Sprint(p.url, "/v1/entries/key/", i), "")
		if want := fmt.Sprint(text, i); status != 200 || got != want {
			t.Errorf("key/%d: %d, %q, want %q", i, status, got, want)
		}
	}
}

// metric is the value of a metric without labels.
func (p *process) metric(t *testing.T, name string) float64 {
	t.Helper()
	_, text := ask(t, "GET", p.url+"/metrics", "")
	for _, line := range strings.Split(text, "\n") {
		if value, found := strings.CutPrefix(line, name+" "); found {
			number, err := strconv.ParseFloat(value, 64)
			must(t, err)
			return number
		}
	}
	t.Fatalf("there is no metric %s in %s", name, text)
	return 0
}

func TestANodeUnderLoadLeavesInGoodOrderAndComesBack(t *testing.T) {
	program, data := build(t), t.TempDir()
	first := start(t, program, data)
	report, err := exec.Command(program, "-load", first.url, "-requests", "500", "-keys", "200").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, report)
	}
	t.Logf("%s", report)
	if hits := first.metric(t, "memstore_hits_total"); hits < 1000 {
		t.Errorf("%v hits", hits)
	}
	first.put(t, 1, "value")
	first.stop(t)

	second := start(t, program, data)
	second.want(t, 1, "value")
	second.stop(t)
}

func TestANodeThatLeftInOrderStartsWarm(t *testing.T) {
	program, data, path := build(t), t.TempDir(), filepath.Join(t.TempDir(), "snapshot")
	first := start(t, program, data, "--snapshot", path)
	first.put(t, 50, "old")
	first.put(t, 50, "value")
	first.stop(t)

	second := start(t, program, data, "--snapshot", path)
	second.want(t, 50, "value")
	if hits, loads := second.metric(t, "memstore_hits_total"), second.metric(t, "memstore_loads_total"); hits != 50 || loads != 0 {
		t.Errorf("%v hits, %v loads; want 50 and none\n%s", hits, loads, second.log)
	}
	second.stop(t)
}

// Each row is what may happen to a database after its snapshot was saved. None may bring back what the
// snapshot has.
func TestNoSnapshotBringsBackWhatIsOlderThanTheDatabase(t *testing.T) {
	program := build(t)
	for name, write := range map[string]func(t *testing.T, data, path string){
		"it was killed": func(t *testing.T, data, path string) {
			p := start(t, program, data, "--snapshot", path)
			p.put(t, 20, "new")
			p.kill(t)
		},
		"it was killed after a start that was not": func(t *testing.T, data, path string) {
			start(t, program, data, "--snapshot", path).kill(t)
			p := start(t, program, data, "--snapshot", path)
			p.put(t, 20, "new")
			p.kill(t)
		},
		"it ran without a snapshot": func(t *testing.T, data, path string) {
			p := start(t, program, data)
			p.put(t, 20, "new")
			p.stop(t)
		},
		"an older snapshot came back": func(t *testing.T, data, path string) {
			older, err := os.ReadFile(path)
			must(t, err)
			p := start(t, program, data, "--snapshot", path)
			p.put(t, 20, "new")
			p.stop(t)
			must(t, os.WriteFile(path, older, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			data, path := t.TempDir(), filepath.Join(t.TempDir(), "snapshot")
			first := start(t, program, data, "--snapshot", path)
			first.put(t, 20, "old")
			first.stop(t)
			write(t, data, path)
			last := start(t, program, data, "--snapshot", path)
			last.want(t, 20, "new")
			if !strings.Contains(last.log, "cold start") {
				t.Errorf("it does not say so: %s", last.log)
			}
			last.stop(t)
		})
	}
}

func TestADamagedSnapshotIsIgnored(t *testing.T) {
	program, data, path := build(t), t.TempDir(), filepath.Join(t.TempDir(), "snapshot")
	first := start(t, program, data, "--snapshot", path)
	first.put(t, 20, "value")
	first.stop(t)
	info, err := os.Stat(path)
	must(t, err)
	bytes, err := os.ReadFile(path)
	must(t, err)
	bytes[len(bytes)/2] ^= 1
	must(t, os.WriteFile(path, bytes, 0o600))
	must(t, os.Chtimes(path, info.ModTime(), info.ModTime())) // as a failing disk leaves it

	second := start(t, program, data, "--snapshot", path)
	if !strings.Contains(second.log, "the snapshot is ignored") || !strings.Contains(second.log, "snapshot is damaged") {
		t.Errorf("it is not said: %s", second.log)
	}
	second.want(t, 20, "value")
	second.stop(t)
	third := start(t, program, data, "--snapshot", path)
	if !strings.Contains(third.log, "warm start") {
		t.Errorf("the next snapshot is not used: %s", third.log)
	}
	third.stop(t)
}

func TestANodeThatCannotSaveLeavesAllTheSame(t *testing.T) {
	program, data := build(t), t.TempDir()
	path := filepath.Join(t.TempDir(), "none", "snapshot")
	first := start(t, program, data, "--snapshot", path)
	first.put(t, 20, "value")
	first.stop(t)
	second := start(t, program, data, "--snapshot", path)
	second.want(t, 20, "value")
	second.stop(t)
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not after 30 s: %s", what)
		}
	}
}

// unfinished is a PUT of which the last byte is missing.
func (p *process) unfinished(t *testing.T, path, body string) (connection net.Conn, last string) {
	t.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	must(t, err)
	end := len(body) - 1
	_, err = fmt.Fprintf(connection, "PUT %s HTTP/1.1\r\nHost: node\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body[:end])
	must(t, err)
	return connection, body[end:]
}

func TestARequestInFlightIsAnsweredByANodeThatLeaves(t *testing.T) {
	program, data := build(t), t.TempDir()
	first := start(t, program, data, "-leave", "5s")
	if ready, _ := ask(t, "GET", first.url+"/readyz", ""); ready != 200 {
		t.Errorf("a node that serves says %d", ready)
	}
	connection, last := first.unfinished(t, "/v1/entries/key", "value")
	defer connection.Close()
	must(t, first.command.Process.Signal(syscall.SIGTERM))

	eventually(t, "/readyz says that the node leaves", func() bool {
		ready, _ := ask(t, "GET", first.url+"/readyz", "")
		return ready == 503
	})
	if alive, _ := ask(t, "GET", first.url+"/healthz", ""); alive != 200 {
		t.Errorf("a node that leaves is not alive: %d", alive)
	}
	first.put(t, 1, "written meanwhile ")
	eventually(t, "nobody is let in any more", func() bool {
		other, err := net.Dial("tcp", strings.TrimPrefix(first.url, "http://"))
		if err == nil {
			_ = other.Close()
		}
		return err != nil
	})
	_, err := connection.Write([]byte(last))
	must(t, err)
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	must(t, err)
	if response.StatusCode != 204 {
		t.Errorf("the request in flight is answered by %s", response.Status)
	}
	if err := first.command.Wait(); err != nil {
		t.Errorf("the node left with %v", err)
	}

	second := start(t, program, data)
	if status, got := ask(t, "GET", second.url+"/v1/entries/key", ""); status != 200 || got != "value" {
		t.Errorf("what was in flight is %d, %q", status, got)
	}
	second.want(t, 1, "written meanwhile ")
	second.stop(t)
}

// Who cannot serve leaves to the next start what it found.
func TestABusyPortDoesNotCostTheWarmStart(t *testing.T) {
	program, data, path := build(t), t.TempDir(), filepath.Join(t.TempDir(), "snapshot")
	first := start(t, program, data, "--snapshot", path)
	first.put(t, 20, "value")
	first.stop(t)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer busy.Close()
	for name, flags := range map[string][]string{
		"a busy port":             {"-listen", busy.Addr().String(), "-memory", "16777216"},
		"a store that is refused": {"-listen", "127.0.0.1:0", "-memory", "-1"},
	} {
		output, err := exec.Command(program, append(flags, "-data", data, "--snapshot", path)...).CombinedOutput()
		if err == nil {
			t.Errorf("%s: it left in good order: %s", name, output)
		}
	}
	third := start(t, program, data, "--snapshot", path)
	if !strings.Contains(third.log, "warm start") {
		t.Errorf("it is not warm: %s", third.log)
	}
	third.want(t, 20, "value")
	third.stop(t)
}
