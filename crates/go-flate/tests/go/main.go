// The encoder that go-flate must agree with: compress/gzip of Go up to 1.26.
//
//	go run . vectors < ../suite/vectors.txt
//
// reads the inputs (the first four columns of each line) and prints the whole table. Redirect it
// to a new file, not to the one that is read.
//
//	go run . serve
//
// compresses inputs from standard input, one after the other, until it ends. A request is the
// level, the number of writes, then for each write its length and its bytes. The answer is the time that it
// took in nanoseconds (64 bits), the length of the gzip file, and the file. Numbers are of 32
// bits, low byte first, where nothing else is said.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("expected `vectors` or `serve`"))
	}
	switch os.Args[1] {
	case "vectors":
		vectors(os.Stdin, os.Stdout)
	case "serve":
		serve(bufio.NewReaderSize(os.Stdin, 1<<16), bufio.NewWriterSize(os.Stdout, 1<<16))
	default:
		fail(fmt.Errorf("expected `vectors` or `serve`, found `%s`", os.Args[1]))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "reference:", err)
	os.Exit(1)
}

func must(err error) {
	if err != nil {
		fail(err)
	}
}

func compress(level int, writes [][]byte, output *bytes.Buffer) {
	writer, err := gzip.NewWriterLevel(output, level)
	must(err)
	for _, write := range writes {
		_, err := writer.Write(write)
		must(err)
	}
	must(writer.Close())
}

func vectors(input io.Reader, output io.Writer) {
	lines := bufio.NewScanner(input)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			fmt.Fprintln(output, line)
			continue
		}
		var level int
		var shape string
		var seed uint64
		var size int
		_, err := fmt.Sscan(line, &level, &shape, &seed, &size)
		must(err)
		var file bytes.Buffer
		compress(level, [][]byte{makeInput(shape, seed, size)}, &file)
		fmt.Fprintf(output, "%d %-13s %3d %9d %9d %x\n", level, shape, seed, size, file.Len(), sha256.Sum256(file.Bytes()))
	}
	must(lines.Err())
}

func serve(input io.Reader, output *bufio.Writer) {
	for {
		var level, count uint32
		err := binary.Read(input, binary.LittleEndian, &level)
		if err == io.EOF {
			return
		}
		must(err)
		must(binary.Read(input, binary.LittleEndian, &count))
		writes := make([][]byte, count)
		for i := range writes {
			var length uint32
			must(binary.Read(input, binary.LittleEndian, &length))
			writes[i] = make([]byte, length)
			_, err := io.ReadFull(input, writes[i])
			must(err)
		}
		var file bytes.Buffer
		start := time.Now()
		compress(int(level), writes, &file)
		nanoseconds := uint64(time.Since(start))
		must(binary.Write(output, binary.LittleEndian, nanoseconds))
		must(binary.Write(output, binary.LittleEndian, uint32(file.Len())))
		_, err = output.Write(file.Bytes())
		must(err)
		must(output.Flush())
	}
}
