package main

import (
	"archive/tar"
	"math/rand"
	"strings"
	"time"
)

// headers returns the headers of one archive: every border of every field, in random company.
// Folders come before what is in them, and files before their other names.
func headers(random *rand.Rand) []*tar.Header {
	tree := tree{random: random, names: map[string]bool{}}
	for _, length := range []int{99, 100, 101, 154, 155, 156, 157, 200, 254, 255, 256, 257, 300, 600} {
		for _, last := range []int{1, 50, 98, 99, 100, 101, 150} {
			if last+2 < length {
				tree.add(path(length, last, random))
			}
		}
	}
	for _, name := range []string{
		"é", "a\xffb", "new\nline", "with space", "tab\t", "日本語/ファイル", strings.Repeat("ü", 60),
		strings.Repeat("a", 98) + "é", "x/" + strings.Repeat("é", 80) + "/" + strings.Repeat("b", 120),
	} {
		tree.add(name)
	}
	for count := 0; count < 400; count++ {
		tree.add(path(1+random.Intn(280), 1+random.Intn(120), random))
	}
	return tree.headers
}

// path returns a path of a length, whose last name has the length last.
func path(length, last int, random *rand.Rand) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789-_+."
	bytes := make([]byte, length)
	slash := true
	for at := range bytes {
		bytes[at] = letters[random.Intn(36)]
		inside := !slash && at < length-last-1 && random.Intn(30) == 0
		slash = at > 0 && (inside || at == length-last-1 && bytes[at-1] != '/')
		if slash {
			bytes[at] = '/'
		}
	}
	return string(bytes)
}

type tree struct {
	random  *rand.Rand
	names   map[string]bool
	headers []*tar.Header
}

func (tree *tree) add(name string) {
	for end := range name {
		if name[end] == '/' {
			tree.put(name[:end+1], tar.TypeDir)
		}
	}
	kinds := []byte{
		tar.TypeReg, tar.TypeReg, tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeFifo,
	}
	kind := kinds[tree.random.Intn(len(kinds))]
	if kind == tar.TypeDir {
		name += "/"
	}
	tree.put(name, kind)
	if kind != tar.TypeDir && tree.random.Intn(3) == 0 {
		tree.link(name)
	}
}

func (tree *tree) put(name string, kind byte) {
	if plain := strings.TrimSuffix(name, "/"); tree.names[plain] {
		return
	} else {
		tree.names[plain] = true
	}
	header := &tar.Header{
		Name: name, Typeflag: kind,
		Mode: one(tree.random, 0, 0o644, 0o755, 0o4755, 0o2755, 0o1777, 0o7777, 0o100644),
		Uid:  int(one(tree.random, 0, 0, 0, 1000, 2097151, 2097152, 4294967295)),
		Gid:  int(one(tree.random, 0, 0, 0, 1000, 2097151, 2097152, 4294967295)),
		ModTime: time.Unix(
			one(tree.random, -5, -1, 0, 1, 1, 2, 1700000000, 1700000000, 1<<33-1, 1<<33, 1<<34),
			one(tree.random, 0, 0, 0, 500000000, 999999999, 1),
		),
	}
	switch kind {
	case tar.TypeReg:
		header.Size = one(tree.random, 0, 1, 511, 512, 513, 2000)
	case tar.TypeSymlink:
		header.Linkname = path(int(one(tree.random, 1, 20, 99, 100, 101, 150, 300)), 3, tree.random)
		if tree.random.Intn(5) == 0 {
			header.Linkname = "../é" + header.Linkname
		}
	case tar.TypeChar, tar.TypeBlock:
		header.Devmajor = one(tree.random, 1, 7, 255, 4095)
		header.Devminor = one(tree.random, 0, 3, 1048575, 2097151)
	}
	if tree.random.Intn(8) == 0 {
		header.PAXRecords = map[string]string{
			capability: "\x01\x00\x00\x02\n=\x00\xff", "SCHILY.xattr.user.note": "dropped",
		}
	}
	tree.headers = append(tree.headers, header)
}

// link adds another name for the file that was added last.
func (tree *tree) link(name string) {
	other := name + "~"
	if tree.names[other] {
		return
	}
	tree.names[other] = true
	header := *tree.headers[len(tree.headers)-1]
	if header.Name != name {
		return
	}
	header.Name, header.Linkname = other, name
	header.Typeflag, header.Size = tar.TypeLink, 0
	tree.headers = append(tree.headers, &header)
}

func one(random *rand.Rand, values ...int64) int64 {
	return values[random.Intn(len(values))]
}
