// A contender for each workload, in Go; it is run with GOMAXPROCS=1. It speaks the protocol of
// bench/contender.ts: says ready, then for each line with a size does a run of that size and
// answers with what it cost, in nanoseconds or, of memory, in bytes.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"time"
)

// A workload does a run of size n and checks that it did. It returns what that cost, or 0 where
// that is the time it took.
type workload func(n int) int64

var workloads = map[string]workload{
	"yield":          yield,
	"spawn+join":     spawnJoin,
	"rendezvous":     rendezvous,
	"buffered(128)":  stream,
	"select/2":       select2,
	"select/8":       select8,
	"chain":          chain,
	"sieve":          sieve,
	"abort":          abort,
	"sleepers":       sleepers,
	"bytes/heap":     bytesOfHeap,
	"bytes/resident": bytesResident,
}

func main() {
	run, known := workloads[os.Args[1]]
	if !known {
		fail("go has no workload %s", os.Args[1])
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			fail("%v", err)
		}
		start := time.Now()
		cost := run(n)
		if cost == 0 {
			cost = time.Since(start).Nanoseconds()
		}
		fmt.Println(cost)
	}
}

func expectTotal(actual, expected int) {
	if actual != expected {
		fail("the workload lost work: %d is not %d", actual, expected)
	}
}

func sumBelow(n int) int {
	return n * (n - 1) / 2
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}
