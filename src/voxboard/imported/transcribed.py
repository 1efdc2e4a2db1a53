"""Transcription as it is measured on transcripts that others wrote: by rules that their format may ask for."""

from __future__ import annotations

from dataclasses import asdict, replace

from voxboard import records
from voxboard.benchmarks.transcription import Transcribed, Transcription
from voxboard.metrics.nist_text import Rules, marked
from voxboard.settings import Evaluation


class ImportedTranscription(Transcription):
    """Transcription by other rules than word for word at the fewest errors; its metrics' ids name them."""

    def __init__(self, config: Transcription.Config, rules: Rules) -> None:
        super().__init__(config)
        self.rules = rules

    def _named(self, kind: str) -> str:
        marks = [
            *(["nist"] if self.rules.costs == "nist" else []),
            *(name for name in ("optional", "fragments", "fold_case") if getattr(self.rules, name)),
        ]
        return ",".join([super()._named(kind), *marks])

    def protocol(self, outputs: Transcribed, evaluation: Evaluation, learned: None) -> records.Protocol:
        """Protocol with the rules where they differ from the usual; braces count where a reference has some."""
        rules = replace(self.rules, markup=self.rules.markup and any(map(marked, outputs.references.values())))
        made = super().protocol(outputs, evaluation, learned)
        return made if rules.plain else replace(made, options={**made.options, "rules": asdict(rules)})
