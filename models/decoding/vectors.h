/* Vectors, the words that fill them, and matrices of words, in one of three precisions.

   A word is a float; or with -DBFLOAT16 a pair of bfloat16 values, which one instruction multiplies and adds
   up as floats; or with -DFLOAT16 a float16 value, whose products are added up as float16 for at most CHUNK
   words and then go to a float. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 16 }; /* floats in a vector; a processor with shorter ones takes several instructions */
typedef float vec __attribute__((vector_size(4 * LANES)));
typedef float half_vec __attribute__((vector_size(2 * LANES)));
typedef float quarter_vec __attribute__((vector_size(LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));
static inline vec load(const float *from) { vec v; memcpy(&v, from, sizeof v); return v; }
static inline void store(float *to, vec v) { memcpy(to, &v, sizeof v); }

/* element: what is stored; word: PER_WORD of them; words: a vector of WORDS; add: sums += words, in float */
#if defined BFLOAT16
#include <immintrin.h>
typedef uint16_t element;
typedef int32_t word;
typedef ivec words;
typedef vec sums;
enum { PER_WORD = 2, WORDS = LANES, CHUNK = 1 << 30, TILE_ROWS = 8, TILE_PANELS = 2 };
static inline sums dot(sums s, words a, words b) {
    return (sums)_mm512_dpbf16_ps((__m512)s, (__m512bh)a, (__m512bh)b);
}
static inline void add(float *to, sums s) { store(to, load(to) + s); }
static inline void pack(element *to, const float *from) { /* LANES elements */
    _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from)));
}
#elif defined FLOAT16
#include <immintrin.h>
typedef _Float16 element, word;
typedef _Float16 words __attribute__((vector_size(64)));
typedef words sums;
enum { PER_WORD = 1, WORDS = 2 * LANES, CHUNK = 32, TILE_ROWS = 16, TILE_PANELS = 1 };
static inline sums dot(sums s, words a, words b) { return s + a * b; }
static inline void add(float *to, sums s) {
    __m256h half[2];
    memcpy(half, &s, sizeof s);
    for (int i = 0; i < 2; i++) store(to + i * LANES, load(to + i * LANES) + (vec)_mm512_cvtxph_ps(half[i]));
}
static inline void pack(element *to, const float *from) {
    _mm256_storeu_ph(to, _mm512_cvtxps_ph(_mm512_loadu_ps(from)));
}
#else
typedef float element, word;
typedef vec words, sums;
enum { PER_WORD = 1, WORDS = LANES, CHUNK = 1 << 30, TILE_ROWS = 8, TILE_PANELS = 2 };
static inline sums dot(sums s, words a, words b) { return s + a * b; }
static inline void add(float *to, sums s) { store(to, load(to) + s); }
static inline void pack(element *to, const float *from) { memcpy(to, from, LANES * sizeof *to); }
#endif

static inline words load_words(const word *from) { words w; memcpy(&w, from, sizeof w); return w; }
static inline words repeat(word w) { return w - (words){0}; }
static inline vec larger(vec a, vec b) { ivec m = a > b; return (vec)(((ivec)a & m) | ((ivec)b & ~m)); }
static inline float total(const float *x, int n) { /* n lanes, a multiple of LANES, halved again and again */
    struct { half_vec low, high; } halves;
    struct { quarter_vec low, high; } quarters;
    vec v = load(x);
    for (int i = LANES; i < n; i += LANES) v += load(x + i);
    memcpy(&halves, &v, sizeof v);
    halves.low += halves.high;
    memcpy(&quarters, &halves.low, sizeof quarters);
    quarters.low += quarters.high;
    return (quarters.low[0] + quarters.low[2]) + (quarters.low[1] + quarters.low[3]);
}
static void pack_row(word *to, const float *from, int n) {
    for (int i = 0; i < n; i += LANES) pack((element *)to + i, from + i);
}
static inline vec exponential(vec x) { /* Cephes' expf, relative error below 2e-7, for x from -87 to 87 */
    const vec n = (x * 1.44269504f + 12582912.0f) - 12582912.0f; /* the nearest whole number */
    x = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    vec p = x * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * x + 8.3334519073e-3f;
    p = p * x + 4.1665795894e-2f;
    p = p * x + 1.6666665459e-1f;
    p = p * x + 5.0000001201e-1f;
    p = p * x * x + x + 1.0f;
    return (vec)((ivec)p + (__builtin_convertvector(n, ivec) << 23));
}
static void *allocate(size_t n_bytes) { /* on a cache line, zero */
    void *memory = NULL;
    if (posix_memalign(&memory, 64, n_bytes + 64)) abort();
    return memset(memory, 0, n_bytes);
}

/* matrices: panels of WORDS outputs, each [n_in / PER_WORD][WORDS] */

typedef struct { const float *bias; word *panels; int n_in, n_out; } Matrix;
static Matrix make_matrix(const float **next, int n_in, int n_out) { /* from [n_in][n_out], then biases */
    const float *from = *next, *bias = from + (size_t)n_in * n_out;
    Matrix m = {bias, allocate((size_t)n_in * n_out * sizeof(element)), n_in, n_out};
    float row[LANES];
    element packed[LANES];
    for (int i = 0; i < n_in; i++)
        for (int o = 0; o < n_out; o++) {
            if (o % LANES == 0) memcpy(row, from + (size_t)i * n_out + o, sizeof row), pack(packed, row);
            const size_t row_of_panel = (size_t)(o / WORDS) * (n_in / PER_WORD) + i / PER_WORD;
            const size_t at = row_of_panel * WORDS + o % WORDS;
            ((element *)m.panels)[at * PER_WORD + i % PER_WORD] = packed[o % LANES];
        }
    *next = bias + n_out;
    return m;
}

/* some rows times some panels: of constant numbers, so that the sums stay in registers */
static inline __attribute__((always_inline)) void multiply_tile(
    const int n_rows, const int n_panels, const Matrix *m, int row, int panel, const word *in, float *out) {
    const int n = m->n_in / PER_WORD, chunk = n < CHUNK ? n : CHUNK;
    const word *panels = m->panels + (size_t)panel * n * WORDS;
    in += row * n, out += (size_t)row * m->n_out + panel * WORDS;
    for (int r = 0; r < n_rows; r++)
        memcpy(out + (size_t)r * m->n_out, m->bias + panel * WORDS, n_panels * WORDS * sizeof *out);
    for (int start = 0; start < n; start += chunk) {
        sums s[16][4] = {0};
        for (int i = start; i < start + chunk; i++)
            for (int p = 0; p < n_panels; p++) {
                const words weights = load_words(panels + ((size_t)p * n + i) * WORDS);
                for (int r = 0; r < n_rows; r++) s[r][p] = dot(s[r][p], weights, repeat(in[r * n + i]));
            }
        for (int r = 0; r < n_rows; r++)
            for (int p = 0; p < n_panels; p++) add(out + (size_t)r * m->n_out + p * WORDS, s[r][p]);
    }
}
static void multiply(const Matrix *m, int n_rows, const word *in, float *out) {
    const int n_panels = m->n_out / WORDS;
    int panel = 0;
    for (; n_rows < 4 && panel + 4 <= n_panels; panel += 4)
        for (int r = 0; r < n_rows; r++) multiply_tile(1, 4, m, r, panel, in, out);
    for (; panel < n_panels; panel += TILE_PANELS) {
        int r = 0;
        for (; r + TILE_ROWS <= n_rows; r += TILE_ROWS)
            multiply_tile(TILE_ROWS, TILE_PANELS, m, r, panel, in, out);
        for (; r + 4 <= n_rows; r += 4) multiply_tile(4, TILE_PANELS, m, r, panel, in, out);
        for (; r < n_rows; r++) multiply_tile(1, TILE_PANELS, m, r, panel, in, out);
    }
}
