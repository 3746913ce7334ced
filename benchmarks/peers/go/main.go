// SPDX-License-Identifier: Apache-2.0

// Command go-peers runs memstore and other caches for Go through the same workloads, in turn, round after
// round, each workload of each in a process of its own, and prints the medians.
//
//	go run . -rounds 5
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sort"
	"strings"
)

var workloads = []string{"speed", "new", "overhead", "overhead-large", "hits", "large"}

// rows is the order in which results are printed.
var rows = []string{
	"get Zipf 1g", "get Zipf 2g", "get uniform 1g", "get uniform 2g", "many uniform 16", "many uniform 100", "many Zipf 16", "many Zipf 100", "get, allocations", "mixed 95/5 2g", "get p99 in mixed",
	"get p99.9 in mixed", "overwrite 1g", "overwrite 2g", "overwrite on 1g", "overwrite on 2g", "set new 1g", "resident at 128 MiB, MiB", "overhead 32 B, B",
	"overhead 32 B, entries kept", "overhead 500 B, B", "overhead 500 B, entries kept", "hit ratio at 64 MiB",
	"resident beside it, MiB", "get p50 of 5 M", "get p99 of 5 M", "get p99.9 of 5 M", "one collection, ms", "one collection, empty, ms",
	"its processor time, ms", "its processor time, empty, ms", "its pauses, µs", "its pauses, empty, µs",
}

func main() {
	rounds := flag.Int("rounds", 5, "how often everything is measured, in turn")
	entries := flag.Int("entries", 1_000_000, "entries of the speed and overhead workloads")
	operations := flag.Int("operations", 1_000_000, "operations of a measurement")
	only := flag.String("peers", "", "comma-separated names; empty = all")
	work := flag.String("workloads", strings.Join(workloads, ","), "comma-separated names")
	one := flag.String("child", "", "measure one `peer:workload` in this process and print JSON")
	flag.Parse()
	if *one != "" {
		name, workload, _ := strings.Cut(*one, ":")
		child(find(name), workload, *entries, *operations)
		return
	}
	chosen := peers
	if *only != "" {
		chosen = nil
		for _, name := range strings.Split(*only, ",") {
			chosen = append(chosen, find(name))
		}
	}
	all := measureAll(chosen, strings.Split(*work, ","), *rounds, *entries, *operations)
	print(chosen, all, *rounds)
}

func find(name string) peer {
	i := slices.IndexFunc(peers, func(p peer) bool { return p.name == name })
	if i < 0 {
		fmt.Fprintf(os.Stderr, "go-peers: there is no peer %q\n", name)
		os.Exit(2)
	}
	return peers[i]
}

// measureAll collects what each round gave: by peer, by row.
func measureAll(chosen []peer, work []string, rounds, entries, operations int) map[string]map[string][]float64 {
	all := map[string]map[string][]float64{}
	for round := range rounds {
		for _, workload := range work {
			for _, p := range chosen {
				if p.only != "" && p.only != workload {
					continue
				}
				fmt.Fprintf(os.Stderr, "\rround %d of %d: %-15s %-12s", round+1, rounds, workload, p.name)
				for row, figure := range measure(p, workload, entries, operations) {
					if all[p.name] == nil {
						all[p.name] = map[string][]float64{}
					}
					all[p.name][row] = append(all[p.name][row], figure)
				}
			}
		}
	}
	fmt.Fprintf(os.Stderr, "\r%-60s\r", "")
	return all
}

func measure(p peer, workload string, entries, operations int) results {
	self, err := os.Executable()
	check(err)
	command := exec.Command(self, "-child", p.name+":"+workload, "-entries", fmt.Sprint(entries),
		"-operations", fmt.Sprint(operations))
	command.Stderr = os.Stderr
	text, err := command.Output()
	check(err)
	out := results{}
	check(json.Unmarshal(text, &out))
	return out
}

func median(figures []float64) float64 {
	sorted := slices.Clone(figures)
	sort.Float64s(sorted)
	return sorted[len(sorted)/2]
}

func print(chosen []peer, all map[string]map[string][]float64, rounds int) {
	fmt.Printf("Medians of %d rounds; %s, %d processors. Times in ns an operation and goroutine.\n\n|  |", rounds,
		runtime.Version(), runtime.NumCPU())
	for _, p := range chosen {
		fmt.Printf(" %s |", p.name)
	}
	fmt.Printf("\n|---|%s\n", strings.Repeat("--:|", len(chosen)))
	for _, row := range rows {
		line, any := "", false
		for _, p := range chosen {
			figures := all[p.name][row]
			any = any || len(figures) != 0
			line += cell(row, figures)
		}
		if any {
			fmt.Printf("| %s |%s\n", row, line)
		}
	}
	fmt.Println()
	for _, p := range chosen {
		fmt.Printf("- %s: %s\n", p.name, p.note)
	}
}

func cell(row string, figures []float64) string {
	if len(figures) == 0 {
		return " – |"
	}
	if strings.Contains(row, "ratio") || strings.Contains(row, "kept") {
		return fmt.Sprintf(" %.3f |", median(figures))
	}
	return fmt.Sprintf(" %.0f |", median(figures))
}
