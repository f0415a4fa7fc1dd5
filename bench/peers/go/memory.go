package main

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

func bytesOfHeap(n int) int64 {
	return bytesOf(n, func() int64 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc + stats.StackInuse)
	})
}

// What Linux says of the process; elsewhere what Go has got from the system, without the program.
func bytesResident(n int) int64 {
	return bytesOf(n, func() int64 {
		if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
			pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
			if err == nil {
				return int64(pages * os.Getpagesize())
			}
		}
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return int64(stats.Sys - stats.HeapReleased)
	})
}

func bytesOf(n int, gauge func() int64) int64 {
	messages := make(chan int)
	runtime.GC()
	before := gauge()
	for i := 0; i < n; i++ {
		go func() { <-messages }()
	}
	runtime.Gosched() // each of them runs until it waits
	runtime.GC()
	after := gauge()
	close(messages)
	return after - before
}
