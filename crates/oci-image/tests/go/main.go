// The reference for layers: writes pairs of archives into the folder that it is given. NAME.tar
// is an archive in one of tar's formats, as engines have written them; NAME.expected is the same
// after two passes of Go's own archive/tar, the second of which clamps times to one second after
// 1970: what an exporter that is written in Go makes of these files.
package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand"
	"os"
	"path/filepath"
	"time"
)

const capability = "SCHILY.xattr.security.capability"

func main() {
	if len(os.Args) != 2 {
		log.Fatal("expected one argument: the folder to write into")
	}
	formats := map[string]tar.Format{
		"plain": tar.FormatUnknown, "ustar": tar.FormatUSTAR, "pax": tar.FormatPAX, "gnu": tar.FormatGNU,
	}
	for name, format := range formats {
		for seed := int64(0); seed < 8; seed++ {
			source := write(headers(rand.New(rand.NewSource(seed))), format)
			expected := pass(pass(source, asRecorded), clamp)
			base := filepath.Join(os.Args[1], fmt.Sprintf("%s-%d", name, seed))
			check(os.WriteFile(base+".tar", source, 0o644))
			check(os.WriteFile(base+".expected", expected, 0o644))
		}
	}
}

// write writes what the format can say; the rest is left out, with what depends on it.
func write(headers []*tar.Header, format tar.Format) []byte {
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	written := map[string]bool{"": true}
	for _, header := range headers {
		header := *header
		header.Format = format
		if format != tar.FormatPAX && format != tar.FormatUnknown {
			header.PAXRecords = nil
		}
		if header.Typeflag == tar.TypeLink && !written[header.Linkname] || !written[parent(header.Name)] {
			continue
		}
		if err := writer.WriteHeader(&header); err != nil {
			continue
		}
		written[header.Name] = true
		_, err := writer.Write(bytes.Repeat([]byte{'x'}, int(header.Size)))
		check(err)
	}
	check(writer.Close())
	return archive.Bytes()
}

// pass reads an archive and writes it again with every header changed.
func pass(source []byte, change func(*tar.Header) *tar.Header) []byte {
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	reader := tar.NewReader(bytes.NewReader(source))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			check(writer.Close())
			return archive.Bytes()
		}
		check(err)
		check(writer.WriteHeader(change(header)))
		_, err = io.Copy(writer, reader)
		check(err)
	}
}

// asRecorded keeps what a layer records.
func asRecorded(header *tar.Header) *tar.Header {
	recorded := &tar.Header{
		Typeflag: header.Typeflag, Name: header.Name, Linkname: header.Linkname, Size: header.Size,
		Mode: header.Mode & 0o7777, Uid: header.Uid, Gid: header.Gid, Devmajor: header.Devmajor,
		Devminor: header.Devminor, ModTime: header.ModTime.Truncate(time.Second), Format: tar.FormatPAX,
	}
	if value := header.PAXRecords[capability]; value != "" {
		recorded.PAXRecords = map[string]string{capability: value}
	}
	return recorded
}

func clamp(header *tar.Header) *tar.Header {
	if epoch := time.Unix(1, 0); header.ModTime.After(epoch) {
		header.ModTime = epoch
	}
	return header
}

func parent(name string) string {
	for end := len(name) - 2; end >= 0; end-- {
		if name[end] == '/' {
			return name[:end+1]
		}
	}
	return ""
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
