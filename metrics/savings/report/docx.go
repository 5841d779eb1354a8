package report

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// The parts of a text document (ECMA-376) that do not depend on the report: what the
// others are, the styles, and a footer that counts pages.
const (
	docxTypes = xml.Header + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>` +
		`<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/>` +
		`<Override PartName="/word/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml"/>` +
		`<Override PartName="/word/footer1.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.footer+xml"/></Types>`
	docxRels = xml.Header + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
		`<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`
	docxPartRels = xml.Header + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
		`<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/>` +
		`<Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/footer" Target="footer1.xml"/></Relationships>`
	docxSpace  = `xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"`
	docxStyles = xml.Header + `<w:styles ` + docxSpace + `><w:docDefaults><w:rPrDefault><w:rPr><w:rFonts w:ascii="Times New Roman" w:hAnsi="Times New Roman" w:eastAsia="宋体"/><w:sz w:val="21"/><w:lang w:val="zh-CN" w:eastAsia="zh-CN"/></w:rPr></w:rPrDefault></w:docDefaults>` +
		`<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style>` +
		`<w:style w:type="paragraph" w:styleId="Title"><w:name w:val="Title"/><w:basedOn w:val="Normal"/><w:pPr><w:spacing w:before="120" w:after="120"/><w:jc w:val="center"/></w:pPr><w:rPr><w:rFonts w:eastAsia="黑体"/><w:b/><w:color w:val="BB0000"/><w:sz w:val="44"/></w:rPr></w:style>` +
		`<w:style w:type="paragraph" w:styleId="Subtitle"><w:name w:val="Subtitle"/><w:basedOn w:val="Normal"/><w:pPr><w:spacing w:after="240"/><w:jc w:val="center"/></w:pPr><w:rPr><w:sz w:val="28"/></w:rPr></w:style>` +
		`<w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/><w:basedOn w:val="Normal"/><w:pPr><w:keepNext/><w:spacing w:before="240" w:after="60"/><w:outlineLvl w:val="0"/></w:pPr><w:rPr><w:rFonts w:eastAsia="黑体"/><w:b/><w:sz w:val="28"/></w:rPr></w:style>` +
		`<w:style w:type="paragraph" w:styleId="Note"><w:name w:val="Note"/><w:basedOn w:val="Normal"/><w:pPr><w:spacing w:after="60"/></w:pPr><w:rPr><w:color w:val="555555"/><w:sz w:val="18"/></w:rPr></w:style>` +
		`</w:styles>`
	docxFooter = xml.Header + `<w:ftr ` + docxSpace + `><w:p><w:pPr><w:jc w:val="right"/></w:pPr><w:r><w:t xml:space="preserve">第 </w:t></w:r><w:fldSimple w:instr=" PAGE "><w:r><w:t>1</w:t></w:r></w:fldSimple>` +
		`<w:r><w:t xml:space="preserve"> 页，共 </w:t></w:r><w:fldSimple w:instr=" NUMPAGES "><w:r><w:t>1</w:t></w:r></w:fldSimple><w:r><w:t xml:space="preserve"> 页</w:t></w:r></w:p></w:ftr>`
	docxOpen  = xml.Header + `<w:document ` + docxSpace + ` xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><w:body>`
	docxClose = `<w:sectPr><w:footerReference w:type="default" r:id="rId2"/><w:pgSz w:w="16838" w:h="11906" w:orient="landscape"/>` +
		`<w:pgMar w:top="850" w:right="850" w:bottom="850" w:left="850" w:header="425" w:footer="425" w:gutter="0"/></w:sectPr></w:body></w:document>`
	docxBorders = `<w:tblBorders><w:top w:val="single" w:sz="4" w:color="999999"/><w:left w:val="single" w:sz="4" w:color="999999"/><w:bottom w:val="single" w:sz="4" w:color="999999"/>` +
		`<w:right w:val="single" w:sz="4" w:color="999999"/><w:insideH w:val="single" w:sz="4" w:color="999999"/><w:insideV w:val="single" w:sz="4" w:color="999999"/></w:tblBorders>`
	// docxWidth is that of the text, in twentieths of a point.
	docxWidth = 16838 - 2*850
)

// docx writes paragraphs and tables.
type docx struct{ bytes.Buffer }

func (d *docx) run(text, properties string) {
	d.WriteString("<w:r>")
	if properties != "" {
		d.WriteString("<w:rPr>" + properties + "</w:rPr>")
	}
	d.WriteString(`<w:t xml:space="preserve">`)
	_ = xml.EscapeText(d, []byte(text)) // a buffer takes all
	d.WriteString("</w:t></w:r>")
}

func (d *docx) paragraph(style, text string) {
	fmt.Fprintf(d, `<w:p><w:pPr><w:pStyle w:val="%s"/></w:pPr>`, style)
	d.run(text, "")
	d.WriteString("</w:p>")
}

// table is as wide as the text; a column takes what its longest cell is of all of them.
func (d *docx) table(head []string, rows [][]string, tall func(row []string) bool) {
	widths, total := make([]int, len(head)), 0
	for k := range head {
		longest := len([]rune(head[k])) / 2 // a heading may be broken
		for _, row := range rows {
			longest = max(longest, min(24, len([]rune(row[k]))))
		}
		widths[k] = max(4, longest)
		total += widths[k]
	}
	if len(head) == 2 {
		widths, total = []int{1, 4}, 5
	}
	size := 18
	if len(head) > 9 {
		size = 14
	}
	fmt.Fprintf(d, `<w:tbl><w:tblPr><w:tblW w:w="%d" w:type="dxa"/>%s<w:tblLayout w:type="fixed"/><w:tblCellMar><w:left w:w="50" w:type="dxa"/><w:right w:w="50" w:type="dxa"/></w:tblCellMar></w:tblPr><w:tblGrid>`, docxWidth, docxBorders)
	for k := range widths {
		widths[k] = widths[k] * docxWidth / total
		fmt.Fprintf(d, `<w:gridCol w:w="%d"/>`, widths[k])
	}
	d.WriteString("</w:tblGrid>")
	line := func(cells []string, first bool) {
		d.WriteString("<w:tr><w:trPr><w:cantSplit/>")
		if !first && tall(cells) {
			d.WriteString(`<w:trHeight w:val="680" w:hRule="atLeast"/>`)
		}
		if first {
			d.WriteString("<w:tblHeader/>")
		}
		d.WriteString("</w:trPr>")
		for k, cell := range cells {
			fmt.Fprintf(d, `<w:tc><w:tcPr><w:tcW w:w="%d" w:type="dxa"/>`, widths[k])
			properties := fmt.Sprintf(`<w:sz w:val="%d"/>`, size)
			align := ""
			switch {
			case first:
				d.WriteString(`<w:shd w:val="clear" w:color="auto" w:fill="EEF3EE"/>`)
				properties = "<w:b/>" + properties
			case len(head) == 2 && k == 0:
				properties = "<w:b/>" + properties
			case number(cell) && len(head) > 2:
				align = `<w:jc w:val="right"/>`
			}
			// The mark of a paragraph is as high as its text, also where there is none.
			d.WriteString("</w:tcPr><w:p><w:pPr>" + align + "<w:rPr>" + properties + "</w:rPr></w:pPr>")
			d.run(cell, properties)
			d.WriteString("</w:p></w:tc>")
		}
		d.WriteString("</w:tr>")
	}
	line(head, true)
	for _, row := range rows {
		line(row, false)
	}
	d.WriteString("</w:tbl>")
}

// WriteDOCX writes a text document, A4 across, with a heading and a table a section.
func (r *Report) WriteDOCX(w io.Writer) error {
	var d docx
	d.WriteString(docxOpen)
	d.paragraph("Title", r.Title)
	d.paragraph("Subtitle", r.Period)
	for _, s := range r.Sections {
		d.paragraph("Heading1", s.Number+"、"+s.Title)
		if s.Note != "" {
			d.paragraph("Note", s.Note)
		}
		head, rows := s.Shown()
		if len(rows) == 0 {
			d.paragraph("Note", "没有记录。")
			continue
		}
		d.table(head, rows, func(row []string) bool { return strings.Contains(row[0], "签字") })
		if s.Number == "一" {
			d.WriteString(`<w:p><w:r><w:br w:type="page"/></w:r></w:p>`)
		}
	}
	d.WriteString(docxClose)
	z := zip.NewWriter(w)
	for _, part := range []struct {
		name string
		text []byte
	}{
		{"[Content_Types].xml", []byte(docxTypes)}, {"_rels/.rels", []byte(docxRels)}, {"word/document.xml", d.Bytes()},
		{"word/_rels/document.xml.rels", []byte(docxPartRels)}, {"word/styles.xml", []byte(docxStyles)}, {"word/footer1.xml", []byte(docxFooter)},
	} {
		f, err := z.Create(part.name)
		if err != nil {
			return err
		}
		if _, err := f.Write(part.text); err != nil {
			return err
		}
	}
	return z.Close()
}
