"""How right the text is: `make bench-accuracy`."""

import argparse
from collections.abc import Sequence

from accuracy.scoring import Score, read_wrongly, score_page
from accuracy.table import PageClass, load_table
from accuracy_pages import drawn_pages
from accuracy_readers import EngineInProcess, Limit, Reader, read_boxes
from report import say


def main() -> None:
    table = load_table()
    parser = argparse.ArgumentParser(description="Measure how right the text is")
    parser.add_argument("--classes", help="names of classes, separated by commas")
    parser.add_argument("--pages-per-class", type=int)
    parser.add_argument("--seed", type=int, default=table.seed)
    parser.add_argument("--engines", default="rapidocr")
    parser.add_argument("--lines", action="store_true", help="print what was read wrongly")
    asked = parser.parse_args()
    kinds = [
        one for one in table.classes if not asked.classes or one.name in asked.classes.split(",")
    ]
    readers: list[Reader] = [
        Limit() if name == "limit" else EngineInProcess(name, 0)
        for name in asked.engines.split(",")
    ]
    say(f"Seed {asked.seed}")
    for kind in kinds:
        files = list(drawn_pages([kind], asked.pages_per_class, asked.seed))
        for reader in readers:
            total, seconds, worst = Score(), 0.0, (-1.0, "")
            for file, reading in zip(files, reader.read(files), strict=True):
                read = read_boxes(reading.boxes)
                score = score_page(file.page, read)
                total += score
                seconds += reading.seconds
                worst = max(
                    worst,
                    (
                        score.cer if kind.ordered else score.unordered_cer,
                        file.page.name + ": " + file.page.variant,
                    ),
                )
                if asked.lines:
                    for true, told in read_wrongly(file.page, read):
                        print(f"  {file.page.name}\n    {true!r}\n    {told!r}")
            value = total.cer if kind.ordered else total.unordered_cer
            gate = "" if kind.gate is None else ("met" if value <= kind.gate else "FAILS")
            print(
                f"{kind.name:20} {reader.name:9} CER {total.cer:6.2f} lines {total.unordered_cer:6.2f} WER {total.wer:6.2f} gate {kind.gate} {gate:5} IoU {total.lines_found}/{total.lines} turned {total.turned_wrongly}/{total.lines_matched} {seconds / len(files):5.1f} s/page  worst {worst[0]:.2f} {worst[1]}",
                flush=True,
            )


if __name__ == "__main__":
    main()
