//! Containerfiles: grammar, spans, stages, steps, lowering.
