"""One new timestep of one row, compiled: the loops in which `CompiledBackend` spends a decision.

A decision is a pass over the weights, and preparing each of PyTorch's operations takes as long as many of
them. Here one call does the whole trunk; weights that were saved as float16 stay float16 in memory and are widened in
the register, which loses nothing and halves what is passed over. The modules are the definition; a test compares.

Shapes: L layers, D width, F feed-forward width, H heads, C capacity of the cache, K scalars, A action tokens, V bins or
choices. Matrices are float16, as uint16, or float32; all else is float32.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from playground.model.jit import compiled

EPSILON = 1e-5
"""Of `torch.nn.LayerNorm`."""


class TrunkWeights(NamedTuple):
    """Norms [L, 2, D] (scale, shift), biases [L, ...], matrices [L, out, in]; the last norm [2, D]."""

    norm1: np.ndarray
    qkv_bias: np.ndarray
    qkv: np.ndarray
    out_bias: np.ndarray
    out: np.ndarray
    norm2: np.ndarray
    up_bias: np.ndarray
    up: np.ndarray
    down_bias: np.ndarray
    down: np.ndarray
    norm: np.ndarray


class DecoderWeights(NamedTuple):
    """Norms [2, D], biases, matrices [out, in]; the tables of action tokens [., D] and of their positions [., D]."""

    vector_bias: np.ndarray
    vector: np.ndarray
    norm: np.ndarray
    up_bias: np.ndarray
    up: np.ndarray
    down_bias: np.ndarray
    down: np.ndarray
    norm_out: np.ndarray
    head_bias: np.ndarray
    head: np.ndarray
    actions: np.ndarray
    positions: np.ndarray


class ScalarWeights(NamedTuple):
    """The tables of tokens, local positions and positions [., D]; bias and matrix of their sum."""

    token: np.ndarray
    local: np.ndarray
    position: np.ndarray
    bias: np.ndarray
    values: np.ndarray


@intrinsic
def _float16(context: Any, bits: Any) -> Any:
    """The number that these uint16 bits are as a float16."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return types.float32(types.uint16), generate


def _wide(number):  # type: ignore[no-untyped-def]
    """A weight as float32."""


@overload(_wide)
def _overload_wide(number):  # type: ignore[no-untyped-def]
    return (lambda number: _float16(number)) if number == types.uint16 else (lambda number: number)


@compiled
def gelu(x):  # type: ignore[no-untyped-def]
    """GELU of x [N] in place; erf by the rational approximation of Eigen and XLA, exact to float32."""
    for i in range(len(x)):
        z = min(max(x[i] * np.float32(0.5**0.5), np.float32(-4.0)), np.float32(4.0))
        s = z * z
        p = np.float32(-2.72614225801306e-10)
        p = p * s + np.float32(2.77068142495902e-08)
        p = p * s + np.float32(-2.10102402082508e-06)
        p = p * s + np.float32(-5.69250639462346e-05)
        p = p * s + np.float32(-7.34990630326855e-04)
        p = p * s + np.float32(-2.95459980854025e-03)
        p = p * s + np.float32(-1.60960333262415e-02)
        q = np.float32(-1.45660718464996e-05)
        q = q * s + np.float32(-2.13374055278905e-04)
        q = q * s + np.float32(-1.68282697438203e-03)
        q = q * s + np.float32(-7.37332916720468e-03)
        q = q * s + np.float32(-1.42647390514189e-02)
        x[i] = np.float32(0.5) * x[i] * (np.float32(1.0) + z * p / q)


@compiled
def add(x, out):  # type: ignore[no-untyped-def]
    """Adds x [N] to `out` [N]; NumPy's own operations on arrays take longer to compile."""
    for i in range(len(x)):
        out[i] += x[i]


@compiled
def layer_norm(x, weights, out):  # type: ignore[no-untyped-def]
    """Layer norm of x [D]; weights [2, D]."""
    total = np.float32(0)
    for i in range(len(x)):
        total += x[i]
    mean = total / np.float32(len(x))
    total = np.float32(0)
    for i in range(len(x)):
        total += (x[i] - mean) * (x[i] - mean)
    scale = np.float32(1.0) / np.float32(math.sqrt(total / np.float32(len(x)) + np.float32(EPSILON)))
    for i in range(len(x)):
        out[i] = (x[i] - mean) * scale * weights[0, i] + weights[1, i]


@compiled
def product(w, x, bias, out):  # type: ignore[no-untyped-def]
    """Puts the matrix w [N, M] times x [M], plus a bias [N], into `out`."""
    for i in range(len(out)):
        total = np.float32(0)
        for j in range(len(x)):
            total += _wide(w[i, j]) * x[j]
        out[i] = total + bias[i]


@compiled
def softmax(x, N):  # type: ignore[no-untyped-def]
    """In place, of the first N of x."""
    top = x[0]
    for i in range(1, N):
        top = max(top, x[i])
    total = np.float32(0)
    for i in range(N):
        x[i] = math.exp(x[i] - top)
        total += x[i]
    for i in range(N):
        x[i] /= total


@compiled
def _attend(q, keys, values, count, scores, out):  # type: ignore[no-untyped-def]
    """One head's attention to the first `count` of keys and values [C, D/H]; q and `out` are [D/H], `scores` [C]."""
    root = np.float32(1.0 / math.sqrt(len(q)))
    for t in range(count):
        total = np.float32(0)
        for i in range(len(q)):
            total += q[i] * keys[t, i]
        scores[t] = total * root
    softmax(scores, count)
    for i in range(len(q)):
        out[i] = 0
    for t in range(count):
        for i in range(len(q)):
            out[i] += scores[t] * values[t, i]


@compiled
def extend(x, weights, kv, row, position, rope):  # type: ignore[no-untyped-def]
    """The trunk's output [D] at a position that follows those that a row of a cache holds; the cache takes its own.

    Args:
        x: the position's input [D].
        weights: `TrunkWeights`.
        kv: keys and values of the cache, [2 L, B, H, C, D/H].
        row: which of B.
        position: how many the row holds.
        rope: what `playground.model.transformer.apply_rope` does there, as a matrix [D/H/4, D/H/4].
    """
    D, H, C, size = len(x), kv.shape[2], kv.shape[3], kv.shape[4]
    x = x.copy()
    normed, change, scores = np.empty(D, np.float32), np.empty(D, np.float32), np.empty(C, np.float32)
    qkv, hidden = np.empty(3 * D, np.float32), np.empty(weights.up.shape[1], np.float32)
    parts, mixed, turned = qkv.reshape(3, H, size), np.empty((H, size), np.float32), np.empty(len(rope), np.float32)
    for layer in range(len(weights.qkv)):
        layer_norm(x, weights.norm1[layer], normed)
        product(weights.qkv[layer], normed, weights.qkv_bias[layer], qkv)
        for head in range(H):
            keys, values = kv[2 * layer, row, head], kv[2 * layer + 1, row, head]
            for part in range(2):
                for j in range(len(rope)):
                    turned[j] = 0
                for i in range(len(rope)):
                    for j in range(len(rope)):
                        turned[j] += parts[part, head, i] * rope[i, j]
                for j in range(len(rope)):
                    parts[part, head, j] = turned[j]
            for i in range(size):
                keys[position, i] = parts[1, head, i]
                values[position, i] = parts[2, head, i]
            _attend(parts[0, head], keys, values, position + 1, scores, mixed[head])
        product(weights.out[layer], mixed.reshape(D), weights.out_bias[layer], change)
        add(change, x)
        layer_norm(x, weights.norm2[layer], normed)
        product(weights.up[layer], normed, weights.up_bias[layer], hidden)
        gelu(hidden)
        product(weights.down[layer], hidden, weights.down_bias[layer], change)
        add(change, x)
    layer_norm(x, weights.norm, normed)
    return normed


@compiled
def _expected_bin(p, window, share):  # type: ignore[no-untyped-def]
    """As `playground.model.decoders.expected_bin`, of p [V]."""
    mode = p.argmax()
    first, stop = max(mode - window, 0), min(mode + window + 1, len(p))
    mass, near, everywhere = np.float32(0), np.float32(0), np.float32(0)
    for i in range(first, stop):
        mass += p[i]
        near += p[i] * np.float32(i)
    if mass < share:
        return near / mass
    for i in range(len(p)):
        everywhere += p[i] * np.float32(i)
    return everywhere


@compiled
def decode(h, weights, first, A, V, window, share):  # type: ignore[no-untyped-def]
    """Action tokens one by one from the trunk's output [D], as `GeneralistModel.decode`.

    Args:
        h: [D].
        weights: `DecoderWeights`.
        first: where the head's rows that count begin: those of bins, or of choices.
        A: how many tokens; a single one is the most likely choice if `window` is negative.
        V: how many of the head's rows count.
        window: see `playground.model.decoders.MODE_WINDOW`.
        share: see `playground.model.decoders.MODE_SHARE`.

    Returns:
        probabilities [A, V], means [A].
    """
    D = len(h)
    x, y, normed = np.empty(D, np.float32), np.empty(D, np.float32), np.empty(D, np.float32)
    change, hidden = np.empty(D, np.float32), np.empty(len(weights.up), np.float32)
    probabilities, means = np.empty((A, V), np.float32), np.empty(A, np.float32)
    product(weights.vector, h, weights.vector_bias, x)
    for a in range(A):
        for i in range(D):
            y[i] = x[i] + weights.positions[a, i]
        layer_norm(y, weights.norm, normed)
        product(weights.up, normed, weights.up_bias, hidden)
        gelu(hidden)
        product(weights.down, hidden, weights.down_bias, change)
        add(change, y)
        layer_norm(y, weights.norm_out, normed)
        p = probabilities[a]
        product(weights.head[first : first + V], normed, weights.head_bias[first : first + V], p)
        softmax(p, V)
        means[a] = p.argmax() if window < 0 else _expected_bin(p, window, share)
        if a + 1 < A:
            token = int(np.rint(means[a]))
            for i in range(D):
                change[i] = weights.actions[token, i] + weights.positions[a, i]
            gelu(change)
            add(change, x)
    return probabilities, means


@compiled
def embed_scalars(tokens, weights):  # type: ignore[no-untyped-def]
    """As `StepEncoder.embed_values`, of one timestep's token ids int64 [K] -> [D]."""
    D = len(weights.bias)
    total, term, out = np.zeros(D, np.float32), np.empty(D, np.float32), np.empty(D, np.float32)
    for k in range(len(tokens)):
        for i in range(D):
            term[i] = weights.token[tokens[k], i] * weights.position[k, i] + weights.local[k, i]
        gelu(term)
        add(term, total)
    product(weights.values, total, weights.bias, out)
    return out
