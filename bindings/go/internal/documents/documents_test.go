// SPDX-License-Identifier: Apache-2.0

package documents

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	// What the documents import.
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/weisyn/memstore/bindings/go"
	_ "github.com/weisyn/memstore/bindings/go/prometheus"
)

const root = "../../../../"

// imports are those that a fragment takes for granted, by the name before the dot.
var imports = map[string]string{
	"context":            `"context"`,
	"fmt":                `"fmt"`,
	"time":               `"time"`,
	"prometheus":         `"github.com/prometheus/client_golang/prometheus"`,
	"memstore":           `memstore "github.com/weisyn/memstore/bindings/go"`,
	"memstoreprometheus": `memstoreprometheus "github.com/weisyn/memstore/bindings/go/prometheus"`,
}

// given are variables that it takes for granted: by its name, what it is a parameter as.
var given = map[string]string{
	"ctx":      "context.Context",
	"store":    "*memstore.Store",
	"data":     "[]byte",
	"path":     "string",
	"keys":     "[]string",
	"load":     "memstore.Loader",
	"database": "interface{ Block(context.Context, string) ([]byte, error) }",
}

var (
	block    = regexp.MustCompile("(?ms)^```go\n(.*?)^```")
	comment  = regexp.MustCompile(`//.*`)
	declared = regexp.MustCompile(`(?m)^(\w+(?:, \w+)*) :=`)
)

func uses(code, pattern string) bool { return regexp.MustCompile(`\b` + pattern).MatchString(code) }

// program makes a program of a fragment.
func program(fragment string) string {
	code := comment.ReplaceAllString(fragment, "")
	var made []string
	for _, match := range declared.FindAllStringSubmatch(code, -1) {
		made = append(made, strings.Split(match[1], ", ")...)
	}
	var parameters, header []string
	for name, kind := range given {
		if uses(code, name+`\b`) && !slices.Contains(made, name) {
			parameters = append(parameters, name+" "+kind)
		}
	}
	text := strings.Join(parameters, ", ")
	for name, path := range imports {
		if uses(code+text, name+`\.`) {
			header = append(header, "import "+path)
		}
	}
	if len(made) != 0 {
		fragment += "\n" + strings.Repeat("_, ", len(made)-1) + "_ = " + strings.Join(made, ", ")
	}
	return "package main\n" + strings.Join(header, "\n") + "\nfunc main() {}\nfunc _(" + text + ") {\n" + fragment + "\n}\n"
}

func TestTheCodeInDocumentsCompiles(t *testing.T) {
	var documents []string
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/design/*.md", "bindings/go/README.md", "examples/*/README.md"} {
		found, err := filepath.Glob(root + pattern)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, found...)
	}
	blocks := 0
	for _, document := range documents {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range block.FindAllStringSubmatch(string(text), -1) {
			blocks++
			t.Run(strings.TrimPrefix(document, root), func(t *testing.T) { check(t, match[1]) })
		}
	}
	if blocks < 5 {
		t.Errorf("%d blocks of Go were found", blocks)
	}
}

// check compiles what is printed, and runs it when it is a program.
func check(t *testing.T, printed string) {
	whole := strings.HasPrefix(printed, "package main\n")
	code := printed
	if !whole {
		code = program(printed)
	}
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command("go", "run", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, output, code)
	}
	if whole && !strings.HasSuffix(string(output), " true <nil>\n") {
		t.Errorf("it prints %s", output)
	}
}
