// Screen block and colour block of 32vid pictures: packed codes, Huffman codes and table ANS; see
// the formats document, section 5.7.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#include "code_lengths.hpp"
#include "common.hpp"

namespace gm::entropy {

constexpr int kScreenSymbols = 32;
constexpr int kColorSymbols = 24;
constexpr int kLongestRun = 256;     // that one symbol repeats
constexpr std::uint8_t kRepeat = 15;  // + k, for k of 1 to 7: the last colour 2^k times more
constexpr std::uint8_t kRepeatLongest = 23;

// Symbols may be stored eight at a time, so buffers are this much longer.
constexpr std::size_t kSlack = 8;

// The repetitions of a run of one literal, or two, and `2 * index` cells more.
struct Repeats {
    std::uint8_t symbols[8];
    std::uint8_t count;
};

constexpr std::array<Repeats, 128> make_repeats() {
    std::array<Repeats, 128> table{};
    for (int index = 0; index < 128; ++index) {
        Repeats& entry = table[static_cast<std::size_t>(index)];
        for (int bit = 0; bit < 7; ++bit) {
            if (index >> bit & 1) {
                entry.symbols[entry.count++] = static_cast<std::uint8_t>(kRepeat + 1 + bit);
            }
        }
    }
    return table;
}

constexpr std::array<Repeats, 128> kRepeats = make_repeats();

// The reference's fault: the first cell, and the one after a run of a multiple of 256, are not
// looked at but join the run.
inline void swallow_cells(std::uint8_t* plane, std::size_t cells, std::uint8_t first) {
    std::uint8_t color = first;
    std::size_t run = 0;
    for (std::size_t i = 0; i < cells; ++i) {
        if (plane[i] == color || run % kLongestRun == 0) {
            plane[i] = color;
            ++run;
        } else {
            color = plane[i];
            run = 1;
        }
    }
}

// Symbols of one plane; `starts` has room for cells + 1 numbers. Returns the end of the output.
// A run to the end of the plane may be written too long, decoders stop there.
inline std::uint8_t* write_runs(const std::uint8_t* plane, std::size_t cells,
                                std::uint32_t* starts, std::uint8_t* out) {
    if (cells == 0) return out;
    std::size_t runs = 1;
    starts[0] = 0;
    for (std::size_t i = 1; i < cells; ++i) {
        starts[runs] = static_cast<std::uint32_t>(i);
        runs += plane[i] != plane[i - 1];
    }
    starts[runs] = static_cast<std::uint32_t>(cells);
    for (std::size_t run = 0; run < runs; ++run) {
        const std::uint8_t color = plane[starts[run]];
        std::size_t more = starts[run + 1] - starts[run] - 1;
        *out++ = color;
        if (more >= kLongestRun - 1) {
            const bool to_the_end = run + 1 == runs && (more + 1) % kLongestRun == 0;
            const std::size_t longest = (more + to_the_end) / kLongestRun;
            std::memset(out, kRepeatLongest, longest);
            out += longest;
            more = to_the_end ? 0 : more % kLongestRun;
        }
        *out = color;
        out += more & 1;
        const Repeats& repeats = kRepeats[more >> 1];
        std::memcpy(out, repeats.symbols, sizeof repeats.symbols);
        out += repeats.count;
    }
    return out;
}

// The caller's buffer. `take` gives room for more bytes or a null pointer.
class Output {
public:
    Output(std::uint8_t* data, std::size_t capacity) : data_(data), capacity_(capacity) {}

    std::uint8_t* take(std::uint64_t bytes) {
        if (bytes > capacity_ - size_) return nullptr;
        std::uint8_t* place = data_ + size_;
        size_ += static_cast<std::size_t>(bytes);
        return place;
    }

    std::size_t size() const { return size_; }

private:
    std::uint8_t* data_;
    std::size_t capacity_;
    std::size_t size_ = 0;
};

inline void store_big_endian(std::uint8_t* place, std::uint32_t word) {
    for (int i = 0; i < 4; ++i) place[i] = static_cast<std::uint8_t>(word >> (24 - 8 * i));
}

// Four bits for each symbol, the even one first; the place after them.
inline std::uint8_t* store_nibbles(std::uint8_t* place, const int* values, int symbols) {
    for (int s = 0; s < symbols; s += 2) {
        *place++ = static_cast<std::uint8_t>(values[s] << 4 | values[s + 1]);
    }
    return place;
}

inline bool write_packed(const std::uint8_t* characters, std::size_t cells, Output& output) {
    std::uint8_t* out = output.take((cells + 7) / 8 * 5);
    if (out == nullptr) return false;
    for (std::size_t start = 0; start < cells; start += 8) {
        const std::size_t count = std::min<std::size_t>(8, cells - start);
        std::uint64_t word = 0;
        for (std::size_t i = 0; i < count; ++i) word = word << 5 | (characters[start + i] & 31);
        word <<= 5 * (8 - count);
        for (int shift = 32; shift >= 0; shift -= 8) *out++ = static_cast<std::uint8_t>(word >> shift);
    }
    return true;
}

inline bool write_huffman(const std::uint8_t* text, std::size_t count, int symbols,
                          Output& output) {
    const Alphabet alphabet(text, count, symbols);
    std::uint8_t* out = output.take(symbols / 2u + (alphabet.distinct < 2));
    std::uint8_t* bits = output.take((alphabet.bits + 7) / 8);
    if (out == nullptr || bits == nullptr) return false;
    out = store_nibbles(out, alphabet.lengths, symbols);
    if (alphabet.distinct < 2) {
        *out = alphabet.only;
        return true;
    }
    std::uint32_t codes[kMostSymbols] = {};
    std::uint32_t code = 0;
    for (int length = 1; length <= alphabet.longest; ++length) {
        code <<= 1;
        for (int s = 0; s < symbols; ++s) {
            if (alphabet.lengths[s] == length) codes[s] = code++;
        }
    }
    std::uint64_t held = 0;
    int held_bits = 0;
    for (std::size_t i = 0; i < count; ++i) {
        held = held << alphabet.lengths[text[i]] | codes[text[i]];
        held_bits += alphabet.lengths[text[i]];
        if (held_bits >= 32) {
            held_bits -= 32;
            store_big_endian(bits, static_cast<std::uint32_t>(held >> held_bits));
            bits += 4;
        }
    }
    for (; held_bits > 0; held_bits -= 8) {
        *bits++ = static_cast<std::uint8_t>(held_bits >= 8 ? held >> (held_bits - 8)
                                                           : held << (8 - held_bits));
    }
    return true;
}

inline bool write_ans(const std::uint8_t* text, std::size_t count, int symbols, Output& output) {
    const Alphabet alphabet(text, count, symbols);
    const bool single = alphabet.distinct < 2;
    const int log = single ? 0 : std::max(3, alphabet.longest);
    const std::uint32_t slots = 1u << log;
    int nibbles[kMostSymbols] = {};
    std::uint32_t counts[kMostSymbols] = {};
    for (int s = 0; s < symbols; ++s) {
        if (alphabet.lengths[s] == 0) continue;
        nibbles[s] = log - alphabet.lengths[s] + 1;
        counts[s] = slots >> alphabet.lengths[s];
    }
    const std::uint64_t total = single ? 0 : alphabet.bits + static_cast<std::uint64_t>(log);
    const std::uint64_t bytes = (total + 7) / 8;
    std::uint8_t* out = output.take(1 + symbols / 2u + single);
    std::uint8_t* bits = output.take(bytes);
    if (out == nullptr || bits == nullptr) return false;
    *out++ = static_cast<std::uint8_t>(log);
    out = store_nibbles(out, nibbles, symbols);
    if (single) {
        *out = alphabet.only;
        return true;
    }

    // Each slot of the table is a state; `owners` is the symbol of a slot.
    constexpr std::uint8_t kFree = 255;
    std::unique_ptr<std::uint8_t[]> owners(new std::uint8_t[slots]);
    std::unique_ptr<std::uint16_t[]> states(new std::uint16_t[slots]);
    std::memset(owners.get(), kFree, slots);
    const std::uint32_t step = 5 * slots / 8 + 3;
    std::uint32_t slot = 0;
    for (int s = 0; s < symbols; ++s) {
        for (std::uint32_t n = 0; n < counts[s]; ++n) {
            while (owners[slot] != kFree) slot = (slot + 1) & (slots - 1);
            owners[slot] = static_cast<std::uint8_t>(s);
            slot = (slot + step) & (slots - 1);
        }
    }
    // states[start of s + n] is the state at the n-th slot of s. With the coder's state x, n is
    // (x >> length of s) - count of s.
    std::uint32_t next[kMostSymbols];
    std::ptrdiff_t offsets[kMostSymbols] = {};
    std::uint32_t start = 0;
    for (int s = 0; s < symbols; ++s) {
        next[s] = start;
        offsets[s] = static_cast<std::ptrdiff_t>(start) - static_cast<std::ptrdiff_t>(counts[s]);
        start += counts[s];
    }
    for (std::uint32_t x = 0; x < slots; ++x) {
        states[next[owners[x]]++] = static_cast<std::uint16_t>(slots + x);
    }

    // The decoder reads what the coder writes last, so bits are stored from the end.
    std::uint8_t* end = bits + bytes;
    std::uint64_t held = 0;
    int held_bits = static_cast<int>(8 * bytes - total);
    std::uint32_t state = slots;
    for (std::size_t i = count; i-- > 0;) {
        const int length = alphabet.lengths[text[i]];
        held |= static_cast<std::uint64_t>(state & ((1u << length) - 1)) << held_bits;
        held_bits += length;
        state = states[static_cast<std::size_t>(
            offsets[text[i]] + static_cast<std::ptrdiff_t>(state >> length))];
        if (held_bits >= 32) {
            end -= 4;
            store_big_endian(end, static_cast<std::uint32_t>(held));
            held >>= 32;
            held_bits -= 32;
        }
    }
    held |= static_cast<std::uint64_t>(state - slots) << held_bits;
    for (held_bits += log; held_bits > 0; held_bits -= 8) {
        *--end = static_cast<std::uint8_t>(held);
        held >>= 8;
    }
    return true;
}

enum class Coder { kPacked = 0, kAns = 1, kHuffman = 3 };

inline long encode(const std::uint8_t* characters, const std::uint8_t* colors, std::size_t cells,
                   Coder coder, int foreground, int background, Output& output) {
    if (coder == Coder::kPacked) {
        if (!write_packed(characters, cells, output)) return -1;
        std::uint8_t* out = output.take(cells);
        if (out == nullptr) return -1;
        if (cells != 0) std::memcpy(out, colors, cells);
        return static_cast<long>(output.size());
    }
    std::unique_ptr<std::uint8_t[]> buffer(new std::uint8_t[3 * cells + kSlack]);
    std::unique_ptr<std::uint32_t[]> starts(new std::uint32_t[cells + 1]);
    std::uint8_t* plane = buffer.get();
    std::uint8_t* text = plane + cells;
    const auto write = coder == Coder::kAns ? write_ans : write_huffman;

    for (std::size_t i = 0; i < cells; ++i) plane[i] = characters[i] & 31;
    if (!write(plane, cells, kScreenSymbols, output)) return -1;

    // With the first cell's own colours no cell is stored wrongly.
    const bool faulty =
        cells != 0 && (foreground != (colors[0] & 15) || background != colors[0] >> 4);
    std::uint8_t* end = text;
    // The ANS coder starts at the end, so the plane that is coded first is the last one here.
    for (int turn = 0; turn < 2; ++turn) {
        const bool front = (turn == 0) == (coder == Coder::kHuffman);
        if (front) {
            for (std::size_t i = 0; i < cells; ++i) plane[i] = colors[i] & 15;
        } else {
            for (std::size_t i = 0; i < cells; ++i) plane[i] = colors[i] >> 4;
        }
        if (faulty) {
            swallow_cells(plane, cells, static_cast<std::uint8_t>(front ? foreground : background));
        }
        end = write_runs(plane, cells, starts.get(), end);
    }
    if (!write(text, static_cast<std::size_t>(end - text), kColorSymbols, output)) return -1;
    return static_cast<long>(output.size());
}

}  // namespace gm::entropy

// Codes one picture; the length, or -1 if memory or the output's capacity is too small. Coder 0
// packs, 1 is ANS, 3 Huffman. The run coder starts with the colours given; if those are not the
// first cell's, it has the reference's fault, which also shows after runs of a multiple of 256.
GM_API long gm_encode(const void* characters, const void* colors, std::size_t cells, int coder,
                      int foreground, int background, void* out, std::size_t capacity) {
    gm::entropy::Output output(static_cast<std::uint8_t*>(out), capacity);
    try {
        return gm::entropy::encode(static_cast<const std::uint8_t*>(characters),
                                   static_cast<const std::uint8_t*>(colors), cells,
                                   static_cast<gm::entropy::Coder>(coder), foreground, background,
                                   output);
    } catch (const std::bad_alloc&) {
        return -1;
    }
}
