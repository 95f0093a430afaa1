"""Grids and pictures in compiled loops: what `GridEncoder` and `PatchEncoder` compute. See `playground.model.kernels`.

The modules are the definition; tests compare. All arrays are float32 where nothing else is said.

Shapes: G x G cells of C symbols, E channels, L words, D width.
"""

import math
from typing import NamedTuple

import numpy as np

from playground.model.jit import compiled
from playground.model.kernels import EPSILON, add, gelu, layer_norm, product, softmax


class GridWeights(NamedTuple):
    """The grid encoder's weights, as the loops want them.

    Attributes:
        symbols: embeddings of a cell's symbols, [C, symbols, E].
        cells: embeddings of the cells, [G * G, E].
        norm: scale and shift before the attention to words, [2, E].
        query: matrix [E, E].
        query_bias: [E].
        out: matrix [E, E] behind that attention.
        out_bias: [E].
        conv1: a convolution's rows of weights, [3, E, 3 * E]: row, output, column and input.
        conv1_bias: [E].
        conv2: the second convolution's.
        conv2_bias: [E].
        last: matrix [D, G * G * E], float16 as uint16 where that loses nothing.
        last_bias: [D].
    """

    symbols: np.ndarray
    cells: np.ndarray
    norm: np.ndarray
    query: np.ndarray
    query_bias: np.ndarray
    out: np.ndarray
    out_bias: np.ndarray
    conv1: np.ndarray
    conv1_bias: np.ndarray
    conv2: np.ndarray
    conv2_bias: np.ndarray
    last: np.ndarray
    last_bias: np.ndarray


class PatchWeights(NamedTuple):
    """The patch encoder's weights, as the loops want them.

    Attributes:
        stem: matrix [E, 48], over rows, columns and colours of 4 x 4 pixels.
        stem_bias: [E].
        norm1: scale and shift, [2, E].
        conv1: a 3 x 3 convolution as a matrix [E, 9 E], over rows, columns and inputs.
        conv1_bias: [E].
        norm2: scale and shift, [2, E].
        conv2: the second convolution's matrix.
        conv2_bias: [E].
        out: matrix [D, 16 E], float16 as uint16 where that loses nothing.
        out_bias: [D].
        up: `StepEncoder.image_up`, [D, D], likewise.
        up_bias: [D].
    """

    stem: np.ndarray
    stem_bias: np.ndarray
    norm1: np.ndarray
    conv1: np.ndarray
    conv1_bias: np.ndarray
    norm2: np.ndarray
    conv2: np.ndarray
    conv2_bias: np.ndarray
    out: np.ndarray
    out_bias: np.ndarray
    up: np.ndarray
    up_bias: np.ndarray


@compiled
def _fill_rows(row, out):  # type: ignore[no-untyped-def]
    """Puts a row [E] into every row of `out` [N, E]; NumPy's own assignment takes seconds to compile."""
    for n in range(len(out)):
        for i in range(len(row)):
            out[n, i] = row[i]


@compiled
def _add_products(w, x, stride, out):  # type: ignore[no-untyped-def]
    """Adds w [N, M] times x[r * stride :][:M] to each row r of `out` [R, N]; seven rows share a pass over w."""
    M, R = w.shape[1], len(out)
    for i in range(len(w)):
        row, r = w[i], 0
        while r + 7 <= R:
            b = r * stride
            x0, x1, x2, x3 = x[b:], x[b + stride :], x[b + 2 * stride :], x[b + 3 * stride :]
            x4, x5, x6 = x[b + 4 * stride :], x[b + 5 * stride :], x[b + 6 * stride :]
            a0 = a1 = a2 = a3 = a4 = a5 = a6 = np.float32(0)
            for j in range(M):
                a0 += row[j] * x0[j]
                a1 += row[j] * x1[j]
                a2 += row[j] * x2[j]
                a3 += row[j] * x3[j]
                a4 += row[j] * x4[j]
                a5 += row[j] * x5[j]
                a6 += row[j] * x6[j]
            out[r, i] += a0
            out[r + 1, i] += a1
            out[r + 2, i] += a2
            out[r + 3, i] += a3
            out[r + 4, i] += a4
            out[r + 5, i] += a5
            out[r + 6, i] += a6
            r += 7
        while r < R:
            part, total = x[r * stride :], np.float32(0)
            for j in range(M):
                total += row[j] * part[j]
            out[r, i] += total
            r += 1


@compiled
def _convolve(x, w, bias, out):  # type: ignore[no-untyped-def]
    """A 3 x 3 convolution of cells x [G, G, E] with zeros around them -> `out` [G, G, E]."""
    G, E = len(x), x.shape[2]
    padded = np.zeros((G + 2, G + 2, E), np.float32)
    flat = padded.reshape(G + 2, (G + 2) * E)
    for r in range(G):
        for c in range(G):
            add(x[r, c], padded[r + 1, c + 1])
    for r in range(G):
        _fill_rows(bias, out[r])
        for dy in range(3):
            _add_products(w[dy], flat[r + dy], E, out[r])


@compiled
def _attend_words(cells, words, heads, weights):  # type: ignore[no-untyped-def]
    """Adds to each cell [N, E] what it finds in the words' keys and values [L, 2 E]."""
    N, E = cells.shape
    L, size = len(words), E // heads
    root = np.float32(1 / math.sqrt(size))
    normed, q, found = np.empty((N, E), np.float32), np.empty((N, E), np.float32), np.zeros((N, E), np.float32)
    scores = np.empty(L, np.float32)
    for n in range(N):
        layer_norm(cells[n], weights.norm, normed[n])
        add(weights.out_bias, cells[n])
    _fill_rows(weights.query_bias, q)
    _add_products(weights.query, normed.reshape(N * E), E, q)
    for n in range(N):
        for head in range(heads):
            begin = head * size
            query, got = q[n, begin : begin + size], found[n, begin : begin + size]
            for t in range(L):
                key, total = words[t, begin : begin + size], np.float32(0)
                for i in range(size):
                    total += query[i] * key[i]
                scores[t] = total * root
            softmax(scores, L)
            for t in range(L):
                value = words[t, E + begin : E + begin + size]
                for i in range(size):
                    got[i] += scores[t] * value[i]
    _add_products(weights.out, found.reshape(N * E), E, cells)


@compiled
def embed_grid(grid, film, words, heads, weights):  # type: ignore[no-untyped-def]
    """As `GridEncoder.forward`, of one grid -> [D].

    Args:
        grid: symbols int64 [H, W, C], H and W at most G.
        film: scale and shift of the channels, [2 E].
        words: keys and values of the text's words, [L, 2 E]; L = 0 without a text.
        heads: of the attention to words.
        weights: `GridWeights`.
    """
    E, last = weights.cells.shape[1], weights.symbols.shape[1] - 1
    G = int(math.sqrt(len(weights.cells)))
    x = weights.cells.copy()
    for r in range(G):
        for c in range(G):
            for k in range(len(weights.symbols)):
                inside = r < grid.shape[0] and c < grid.shape[1] and k < grid.shape[2]
                symbol = min(grid[r, c, k], last) if inside else 0
                add(weights.symbols[k, symbol], x[r * G + c])
    if len(words):
        _attend_words(x, words, heads, weights)
    y, z = x.copy(), np.empty((G, G, E), np.float32)
    gelu(y.reshape(G * G * E))
    _convolve(y.reshape(G, G, E), weights.conv1, weights.conv1_bias, z)
    for r in range(G):
        for c in range(G):
            for i in range(E):
                z[r, c, i] = z[r, c, i] * (np.float32(1) + film[i]) + film[E + i]
    gelu(z.reshape(G * G * E))
    _convolve(z, weights.conv2, weights.conv2_bias, y.reshape(G, G, E))
    add(y.reshape(G * G * E), x.reshape(G * G * E))
    gelu(x.reshape(G * G * E))
    out = np.empty(len(weights.last), np.float32)
    product(weights.last, x.reshape(G * G * E), weights.last_bias, out)
    return out


@compiled
def _normalise_groups(x, norm, groups, out):  # type: ignore[no-untyped-def]
    """Group norm of the channels of x [16, E] -> `out` [16, E]."""
    N, E = x.shape
    size = E // groups
    for g in range(groups):
        mean, spread = np.float32(0), np.float32(0)
        for n in range(N):
            for i in range(g * size, (g + 1) * size):
                mean += x[n, i]
        mean /= np.float32(N * size)
        for n in range(N):
            for i in range(g * size, (g + 1) * size):
                spread += (x[n, i] - mean) * (x[n, i] - mean)
        scale = np.float32(1) / np.float32(math.sqrt(spread / np.float32(N * size) + np.float32(EPSILON)))
        for n in range(N):
            for i in range(g * size, (g + 1) * size):
                out[n, i] = (x[n, i] - mean) * scale * norm[0, i] + norm[1, i]


@compiled
def _convolve_patch(x, w, bias, out):  # type: ignore[no-untyped-def]
    """A 3 x 3 convolution of 4 x 4 places x [16, E] with zeros around them -> `out` [16, E]."""
    E = x.shape[1]
    around = np.zeros((16, 9 * E), np.float32)
    for r in range(4):
        for c in range(4):
            for dy in range(max(0, 1 - r), min(3, 5 - r)):
                for dx in range(max(0, 1 - c), min(3, 5 - c)):
                    begin = (3 * dy + dx) * E
                    add(x[4 * (r + dy - 1) + c + dx - 1], around[4 * r + c, begin : begin + E])
    _fill_rows(bias, out)
    _add_products(w, around.reshape(16 * 9 * E), 9 * E, out)


@compiled
def embed_patch(patch, position, groups, weights):  # type: ignore[no-untyped-def]
    """A patch at its place, as `StepEncoder.embed_images` takes the mean of -> [D].

    Args:
        patch: uint8 [16, 16, 3].
        position: of `PatchEncoder.positions`, [D].
        groups: of the group norms.
        weights: `PatchWeights`.
    """
    E, D = len(weights.stem), len(weights.out)
    pixels = np.empty((16, 48), np.float32)
    for r in range(16):
        for c in range(16):
            for k in range(3):
                value = np.float32(patch[r, c, k]) / np.float32(127.5) - np.float32(1)
                pixels[4 * (r // 4) + c // 4, 12 * (r % 4) + 3 * (c % 4) + k] = value / np.float32(4)
    x, y, z = np.empty((16, E), np.float32), np.empty((16, E), np.float32), np.empty((16, E), np.float32)
    _fill_rows(weights.stem_bias, x)
    _add_products(weights.stem, pixels.reshape(16 * 48), 48, x)
    _normalise_groups(x, weights.norm1, groups, y)
    gelu(y.reshape(16 * E))
    _convolve_patch(y, weights.conv1, weights.conv1_bias, z)
    _normalise_groups(z, weights.norm2, groups, y)
    gelu(y.reshape(16 * E))
    _convolve_patch(y, weights.conv2, weights.conv2_bias, z)
    add(z.reshape(16 * E), x.reshape(16 * E))
    encoded, up = np.empty(D, np.float32), np.empty(D, np.float32)
    product(weights.out, x.reshape(16 * E), weights.out_bias, encoded)
    add(position, encoded)
    gelu(encoded)
    product(weights.up, encoded, weights.up_bias, up)
    gelu(up)
    return up
