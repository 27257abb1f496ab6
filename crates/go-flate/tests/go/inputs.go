// The inputs of the golden vectors: bytes that follow from a shape, a seed and a size alone.
// tests/suite/inputs.rs makes the same bytes; the vectors would not agree otherwise.

package main

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// numbers is a splitmix64 generator.
type numbers struct{ state uint64 }

func (n *numbers) next() uint64 {
	n.state += 0x9e3779b97f4a7c15
	mixed := n.state
	mixed = (mixed ^ mixed>>30) * 0xbf58476d1ce4e5b9
	mixed = (mixed ^ mixed>>27) * 0x94d049bb133111eb
	return mixed ^ mixed>>31
}

// below returns a number from 0 to limit-1.
func (n *numbers) below(limit int) int { return int((n.next() >> 32) * uint64(limit) >> 32) }

// low returns a number from 0 to limit-1, the lower the likelier.
func (n *numbers) low(limit int) int {
	one, other := n.below(limit), n.below(limit)
	if one < other {
		return one
	}
	return other
}

// makeInput returns the input of this shape.
func makeInput(shape string, seed uint64, size int) []byte {
	n := &numbers{seed}
	name, argument, _ := strings.Cut(shape, ":")
	value, _ := strconv.Atoi(argument)
	var data []byte
	switch name {
	case "zeros":
		data = make([]byte, size)
	case "random":
		data = random(n, size)
	case "repeat":
		unit := random(n, value)[:value]
		for len(data) < size {
			data = append(data, unit...)
		}
	case "text":
		data = text(n, size)
	case "program":
		data = program(n, size)
	case "archive":
		data = archive(n, size)
	case "echo":
		data = echo(n, size, value)
	default:
		panic("no such shape: " + shape)
	}
	return data[:size]
}

func random(n *numbers, size int) []byte {
	data := make([]byte, 0, size+8)
	for len(data) < size {
		data = binary.LittleEndian.AppendUint64(data, n.next())
	}
	return data
}

func words(n *numbers, count int) []string {
	all := make([]string, count)
	for i := range all {
		word := make([]byte, 2+n.below(8))
		for j := range word {
			word[j] = 'a' + byte(n.low(26))
		}
		all[i] = string(word)
	}
	return all
}

func text(n *numbers, size int) []byte {
	all := words(n, 700)
	var data []byte
	for len(data) < size {
		data = append(data, all[n.low(len(all))]...)
		switch n.below(16) {
		case 0:
			data = append(data, ".\n"...)
		case 1:
			data = append(data, ", "...)
		default:
			data = append(data, ' ')
		}
	}
	return data
}

// program imitates machine code: few operations, small or random operands.
func program(n *numbers, size int) []byte {
	var operations [96][]byte
	for i := range operations {
		count := 1 + n.below(4)
		operations[i] = random(n, count)[:count]
	}
	var data []byte
	for len(data) < size {
		data = append(data, operations[n.low(len(operations))]...)
		switch n.below(8) {
		case 0:
			data = binary.LittleEndian.AppendUint32(data, uint32(n.low(512)))
		case 1:
			data = binary.LittleEndian.AppendUint32(data, uint32(n.next()))
		case 2, 3, 4:
			data = append(data, byte(8*n.low(32)))
		case 5:
			if n.below(64) == 0 {
				data = append(data, make([]byte, n.below(400))...)
			}
		}
	}
	return data
}

// archive imitates a tar archive of programs and texts.
func archive(n *numbers, size int) []byte {
	all := words(n, 50)
	var data []byte
	for index := 0; len(data) < size; index++ {
		length := n.low(60000)
		header := make([]byte, 512)
		copy(header, fmt.Sprintf("usr/share/%s/%s-%d", all[n.below(50)], all[n.below(50)], index))
		copy(header[100:], "0000644\x000000000\x000000000\x00")
		copy(header[124:], fmt.Sprintf("%011o\x0000000000000\x00", length))
		copy(header[156:], "0")
		copy(header[257:], "ustar\x0000")
		data = append(data, header...)
		if n.below(2) == 0 {
			data = append(data, text(n, length)[:length]...)
		} else {
			data = append(data, program(n, length)[:length]...)
		}
		data = append(data, make([]byte, (512-length%512)%512)...)
	}
	return data
}

// echo copies from everywhere, on purpose often from where the window ends, between bytes of an
// alphabet of 2^bits.
func echo(n *numbers, size, bits int) []byte {
	var data []byte
	for len(data) < size {
		if n.below(3) == 0 || len(data) == 0 {
			for count := 1 + n.below(24); count > 0; count-- {
				data = append(data, byte(n.next()>>(64-bits)))
			}
			continue
		}
		var distance int
		switch n.below(5) {
		case 0:
			distance = 1 + n.below(8)
		case 1:
			distance = 4080 + n.below(32)
		case 2:
			distance = 32490 + n.below(300)
		default:
			distance = 1 + n.low(70000)
		}
		if distance > len(data) {
			distance = len(data)
		}
		length := 3 + n.low(40)
		if n.below(16) == 0 {
			length = 120 + n.below(500)
		}
		for ; length > 0; length-- {
			data = append(data, data[len(data)-distance])
		}
	}
	return data
}
