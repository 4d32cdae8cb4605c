/* GPT-2, one token at a time for a few sequences at once, sampled under a grammar. One thread, no globals.

   Everything that is multiplied is kept in 32-bit words: a float, or (with -DBFLOAT16) a pair of bfloat16
   values that one instruction multiplies and adds in float. Each sum is taken in an order that depends on its
   own sequence alone, so a sequence gets the same bits whatever runs beside it.

   Sequences take turns in a few slots, whose keys and values then stay in the processor's cache. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LANES 16 /* floats in a vector; a processor with shorter ones takes several instructions */
typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));

#ifdef BFLOAT16
#include <immintrin.h>
enum { PER_WORD = 2 };
typedef uint16_t element;
static inline vec dot(vec sum, ivec a, ivec b) {
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}
static inline void pack(element *to, const float *from) { /* LANES of them */
    _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from)));
}
#else
enum { PER_WORD = 1 };
typedef float element;
static inline vec dot(vec sum, ivec a, ivec b) { return sum + (vec)a * (vec)b; }
static inline void pack(element *to, const float *from) { memcpy(to, from, 4 * LANES); }
#endif

typedef struct { const float *bias; int32_t *words; int n_in, n_out; } Matrix;
typedef struct { const float *norm1, *norm2; Matrix attend, attended, widen, narrow; } Layer;
typedef struct {
    int vocab, n_positions, width, n_layers, n_heads;
    const float *tokens, *positions, *norm; /* embeddings; last layer norm: weights, then biases */
    int32_t *head;                          /* token embeddings as words, by token */
    Layer *layers;
    float *weights;
} Engine;
typedef struct { /* what a step of some rows needs; keys and values by slot, layer and head */
    float *hidden, *wide, *scores, *logits;
    int32_t *packed, *keys, *values;
    size_t n_words; /* of keys, and of values, of one layer and slot */
} Workspace;

static void *allocate(size_t n_bytes) { /* on a cache line, zero */
    void *memory = NULL;
    n_bytes = (n_bytes + 63) / 64 * 64;
    if (posix_memalign(&memory, 64, n_bytes)) abort();
    return memset(memory, 0, n_bytes);
}
static inline vec load(const void *from) { vec v; memcpy(&v, from, sizeof v); return v; }
static inline void store(void *to, vec v) { memcpy(to, &v, sizeof v); }
static inline vec fill(float x) { return (vec){0} + x; }
static inline ivec fill_word(int32_t x) { return (ivec){0} + x; }
static inline vec larger(vec a, vec b) { ivec m = a > b; return (vec)(((ivec)a & m) | ((ivec)b & ~m)); }
static inline float add_lanes(vec v) {
    float lanes[LANES];
    store(lanes, v);
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
    return lanes[0];
}
static void pack_row(int32_t *to, const float *from, int n) {
    for (int i = 0; i < n; i += LANES) pack((element *)to + i, from + i);
}

static inline vec exponential(vec x) { /* Cephes' expf: relative error below 2e-7; 0 below -87 is 1e-38 */
    x = larger(x, fill(-87.0f));
    vec n = (x * 1.44269504f + 12582912.0f) - 12582912.0f; /* to the nearest whole number */
    x = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    vec p = ((((x * 1.9875691500e-4f + 1.3981999507e-3f) * x + 8.3334519073e-3f) * x + 4.1665795894e-2f) * x
             + 1.6666665459e-1f) * x + 5.0000001201e-1f;
    p = p * x * x + x + 1.0f;
    return (vec)((ivec)p + (__builtin_convertvector(n, ivec) << 23));
}

/* matrices: panels of LANES outputs, each [n_in / PER_WORD][LANES] words */

static Matrix make_matrix(const float **next, int n_in, int n_out) { /* from [n_in][n_out], then biases */
    Matrix m = {*next + (size_t)n_in * n_out, allocate((size_t)n_in * n_out * sizeof(element)), n_in, n_out};
    float pair[LANES] = {0};
    element packed[LANES];
    for (int panel = 0; panel < n_out / LANES; panel++)
        for (int i = 0; i < n_in; i++)
            for (int lane = 0; lane < LANES; lane++) {
                pair[0] = (*next)[(size_t)i * n_out + panel * LANES + lane];
                pack(packed, pair);
                size_t word = ((size_t)panel * (n_in / PER_WORD) + i / PER_WORD) * LANES + lane;
                ((element *)m.words)[word * PER_WORD + i % PER_WORD] = packed[0];
            }
    *next += (size_t)n_in * n_out + n_out;
    return m;
}

/* a tile of constant size stays in registers: some rows times some panels */
static inline __attribute__((always_inline)) void tile(
    const int n_rows, const int n_panels, const Matrix *m, int panel, const int32_t *in, float *out) {
    const int n_words = m->n_in / PER_WORD;
    const int32_t *words = m->words + (size_t)panel * n_words * LANES;
    vec sums[8][8];
    for (int p = 0; p < n_panels; p++)
        for (int r = 0; r < n_rows; r++) sums[r][p] = load(m->bias + (panel + p) * LANES);
    for (int i = 0; i < n_words; i++)
        for (int p = 0; p < n_panels; p++) {
            ivec w = (ivec)load(words + ((size_t)p * n_words + i) * LANES);
            for (int r = 0; r < n_rows; r++)
                sums[r][p] = dot(sums[r][p], w, fill_word(in[(size_t)r * n_words + i]));
        }
    for (int r = 0; r < n_rows; r++)
        for (int p = 0; p < n_panels; p++)
            store(out + (size_t)r * m->n_out + (panel + p) * LANES, sums[r][p]);
}

static void multiply(const Matrix *m, int n_rows, const int32_t *in, float *out) {
    const int n_words = m->n_in / PER_WORD, n_panels = m->n_out / LANES;
    int panel = 0;
    if (n_rows == 1)
        for (; panel + 8 <= n_panels; panel += 8) tile(1, 8, m, panel, in, out);
    for (; panel < n_panels; panel += 2) {
        int r = 0;
        for (; r + 8 <= n_rows; r += 8) tile(8, 2, m, panel, in + r * n_words, out + (size_t)r * m->n_out);
        for (; r + 2 <= n_rows; r += 2) tile(2, 2, m, panel, in + r * n_words, out + (size_t)r * m->n_out);
        if (r < n_rows) tile(1, 2, m, panel, in + r * n_words, out + (size_t)r * m->n_out);
    }
}

static void normalise(const float *norm, const float *x, int width, float *out) {
    vec sum = {0}, squares = {0};
    for (int i = 0; i < width; i += LANES) sum += load(x + i);
    const float mean = add_lanes(sum) / width;
    for (int i = 0; i < width; i += LANES) squares += (load(x + i) - mean) * (load(x + i) - mean);
    const float scale = 1.0f / sqrtf(add_lanes(squares) / width + 1e-5f);
    for (int i = 0; i < width; i += LANES)
        store(out + i, (load(x + i) - mean) * scale * load(norm + i) + load(norm + width + i));
}

static void gelu(float *x, int n) { /* tanh form: x / (1 + exp(-2 sqrt(2 / pi) (x + 0.044715 x^3))) */
    for (int i = 0; i < n; i += LANES) {
        vec v = load(x + i);
        vec z = v * -1.5957691216f * (1.0f + 0.044715f * v * v);
        z = -larger(-z, fill(-87.0f));
        store(x + i, v / (1.0f + exponential(z)));
    }
}

/* One head of one row: keys lie [block of LANES positions][width / PER_WORD][lane], values
   [position / PER_WORD][width]. `packed` has room for the query and the weights of all positions. */
static void attend(const float *query, int width, int n_before, const int32_t *keys, const int32_t *values,
                   float *scores, int32_t *packed, float *out) {
    const int n_blocks = (n_before + LANES - 1) / LANES, n_words = width / PER_WORD;
    float scaled[width];
    for (int i = 0; i < width; i++) scaled[i] = query[i] / sqrtf((float)width);
    pack_row(packed, scaled, width);
    for (int b = 0; b < n_blocks; b++) {
        vec score = {0};
        for (int i = 0; i < n_words; i++)
            score = dot(score, (ivec)load(keys + ((size_t)b * n_words + i) * LANES), fill_word(packed[i]));
        store(scores + b * LANES, score);
    }
    for (int t = n_before; t < n_blocks * LANES; t++) scores[t] = -1e30f;
    vec highest = load(scores), total = {0};
    for (int t = LANES; t < n_blocks * LANES; t += LANES) highest = larger(highest, load(scores + t));
    for (int i = 1; i < LANES; i++) highest[0] = highest[i] > highest[0] ? highest[i] : highest[0];
    int32_t *weights = packed + n_words;
    for (int t = 0; t < n_blocks * LANES; t += LANES) {
        vec weight = exponential(load(scores + t) - highest[0]);
        total += weight;
        store(scores + t, weight);
        pack((element *)weights + t, scores + t);
    }
    const float scale = 1.0f / add_lanes(total);
    const int n_weights = n_blocks * LANES / PER_WORD;
    for (int i = 0; i < width; i += LANES) {
        vec sums[4] = {{0}};
        for (int t = 0; t < n_weights; t += 4)
            for (int k = 0; k < 4; k++)
                sums[k] = dot(sums[k], (ivec)load(values + (size_t)(t + k) * width + i), fill_word(weights[t + k]));
        store(out + i, ((sums[0] + sums[1]) + (sums[2] + sums[3])) * scale);
    }
}

/* One step of some rows: row r is in slot slots[r], reads tokens[r] at positions[r]; leaves w->hidden. */
static void step(const Engine *e, Workspace *w, int n_rows, const int *slots, const int32_t *tokens,
                 const int *positions) {
    const int width = e->width, head_width = width / e->n_heads, n_words = width / PER_WORD;
    float *wide = w->wide;
    for (int r = 0; r < n_rows; r++)
        for (int i = 0; i < width; i++)
            w->hidden[r * width + i] = e->tokens[(size_t)tokens[r] * width + i]
                                       + e->positions[(size_t)positions[r] * width + i];
    for (int l = 0; l < e->n_layers; l++) {
        const Layer *layer = &e->layers[l];
        for (int r = 0; r < n_rows; r++) {
            normalise(layer->norm1, w->hidden + r * width, width, w->scores);
            pack_row(w->packed + r * n_words, w->scores, width);
        }
        multiply(&layer->attend, n_rows, w->packed, wide);
        for (int r = 0; r < n_rows; r++) {
            const float *query = wide + (size_t)r * 3 * width;
            const size_t cache = ((size_t)slots[r] * e->n_layers + l) * w->n_words;
            int32_t *keys = w->keys + cache, *values = w->values + cache, *scratch = w->packed + n_rows * n_words;
            const int t = positions[r], n_cached = (int)(w->n_words / e->n_heads);
            float attended[width];
            for (int h = 0; h < e->n_heads; h++, keys += n_cached, values += n_cached) {
                const float *q = query + h * head_width, *k = q + width, *v = k + width;
                int32_t *block = keys + (size_t)(t / LANES) * LANES * head_width / PER_WORD + t % LANES;
                pack_row(scratch, k, head_width);
                for (int i = 0; i < head_width / PER_WORD; i++) block[i * LANES] = scratch[i];
                pack_row(scratch, v, head_width);
                element *row = (element *)(values + (size_t)(t / PER_WORD) * head_width) + t % PER_WORD;
                for (int i = 0; i < head_width; i++) row[i * PER_WORD] = ((element *)scratch)[i];
                attend(q, head_width, t + 1, keys, values, w->scores, scratch, attended + h * head_width);
            }
            pack_row(w->packed + r * n_words, attended, width);
        }
        multiply(&layer->attended, n_rows, w->packed, wide);
        for (int r = 0; r < n_rows; r++) {
            for (int i = 0; i < width; i++) w->hidden[r * width + i] += wide[r * width + i];
            normalise(layer->norm2, w->hidden + r * width, width, w->scores);
            pack_row(w->packed + r * n_words, w->scores, width);
        }
        multiply(&layer->widen, n_rows, w->packed, wide);
        gelu(wide, n_rows * 4 * width);
        pack_row(w->packed, wide, n_rows * 4 * width);
        multiply(&layer->narrow, n_rows, w->packed, wide);
        for (int i = 0; i < n_rows * width; i++) w->hidden[i] += wide[i];
    }
    for (int r = 0; r < n_rows; r++) {
        normalise(e->norm, w->hidden + r * width, width, w->scores);
        memcpy(w->hidden + r * width, w->scores, 4 * width);
    }
}

/* logits of some tokens after the state `hidden` */
static void score_tokens(const Engine *e, Workspace *w, const float *hidden, int64_t n, const int32_t *tokens) {
    const int n_words = e->width / PER_WORD;
    pack_row(w->packed, hidden, e->width);
    for (int64_t i = 0; i < n; i++) {
        const int32_t *row = e->head + (size_t)(tokens ? tokens[i] : i) * n_words;
        vec sum = {0};
        for (int k = 0; k < n_words; k += LANES) sum = dot(sum, (ivec)load(row + k), (ivec)load(w->packed + k));
        w->logits[i] = add_lanes(sum);
    }
}

/* index of one of n logits by the inverse of their cumulated probabilities at u */
static int64_t draw(float *logits, int64_t n, float temperature, double u) {
    float highest = logits[0];
    double total = 0.0, below = 0.0;
    for (int64_t i = 1; i < n; i++) highest = logits[i] > highest ? logits[i] : highest;
    for (int64_t i = 0; i < n; i++) total += logits[i] = expf((logits[i] - highest) / temperature);
    for (int64_t i = 0; i < n - 1; i++)
        if ((below += logits[i]) > u * total) return i;
    return n - 1;
}

static Workspace open_workspace(const Engine *e, int n_slots) {
    const int n_cached = (e->n_positions + LANES - 1) / LANES * LANES, n_values = 4 * e->width * n_slots;
    Workspace w;
    w.n_words = (size_t)n_cached * e->width / PER_WORD;
    w.hidden = allocate(4 * (size_t)e->width * n_slots);
    w.wide = allocate(4 * (size_t)n_values);
    w.scores = allocate(4 * (size_t)(n_cached > e->width ? n_cached : e->width));
    w.logits = allocate(4 * (size_t)e->vocab);
    w.packed = allocate(4 * (size_t)(n_values + n_cached + e->width));
    w.keys = allocate(4 * w.n_words * e->n_layers * n_slots);
    w.values = allocate(4 * w.n_words * e->n_layers * n_slots);
    return w;
}
static void close_workspace(Workspace *w) {
    void *parts[] = {w->hidden, w->wide, w->scores, w->logits, w->packed, w->keys, w->values};
    for (int i = 0; i < 7; i++) free(parts[i]);
}

/* sizes: vocabulary, positions, width, layers, heads; weights in the order of use, embeddings first */
Engine *engine_open(const int32_t *sizes, const float *weights, int64_t n_weights) {
    Engine *e = allocate(sizeof *e);
    e->vocab = sizes[0], e->n_positions = sizes[1], e->width = sizes[2], e->n_layers = sizes[3], e->n_heads = sizes[4];
    e->weights = allocate(4 * n_weights);
    memcpy(e->weights, weights, 4 * n_weights);
    const int width = e->width;
    const float *next = e->weights;
    e->tokens = next, next += (size_t)e->vocab * width;
    e->positions = next, next += (size_t)e->n_positions * width;
    e->head = allocate((size_t)e->vocab * width * sizeof(element));
    for (int i = 0; i < e->vocab; i++) pack_row(e->head + (size_t)i * width / PER_WORD, e->tokens + (size_t)i * width, width);
    e->layers = allocate(e->n_layers * sizeof(Layer));
    for (int l = 0; l < e->n_layers; l++) {
        Layer *layer = &e->layers[l];
        layer->norm1 = next, next += 2 * width;
        layer->attend = make_matrix(&next, width, 3 * width);
        layer->attended = make_matrix(&next, width, width);
        layer->norm2 = next, next += 2 * width;
        layer->widen = make_matrix(&next, width, 4 * width);
        layer->narrow = make_matrix(&next, 4 * width, width);
    }
    e->norm = next;
    return e;
}

void engine_close(Engine *e) {
    for (int l = 0; l < e->n_layers; l++) {
        Matrix *matrices[] = {&e->layers[l].attend, &e->layers[l].attended, &e->layers[l].widen, &e->layers[l].narrow};
        for (int i = 0; i < 4; i++) free(matrices[i]->words);
    }
    free(e->layers), free(e->head), free(e->weights), free(e);
}

/* logits after each token of one sequence, [n][vocab] */
void engine_logits(const Engine *e, int n, const int32_t *tokens, float *out) {
    Workspace w = open_workspace(e, 1);
    for (int t = 0, slot = 0; t < n; t++) {
        step(e, &w, 1, &slot, tokens + t, &t);
        score_tokens(e, &w, w.hidden, e->vocab, NULL);
        memcpy(out + (size_t)t * e->vocab, w.logits, 4 * (size_t)e->vocab);
    }
    close_workspace(&w);
}

/* Go on with n sequences, `n_slots` at a time. tokens: [n][stride], the prompts at the start of each row, which
   is filled; lengths: [n], those of the prompts, then of the whole; states: [n], after the prompts; limits: [n],
   greatest lengths; uniforms: [n][n_uniforms], one per sampled token; the grammar as in `Grammar`. */
void engine_sample(const Engine *e, int n, int n_slots, int stride, int32_t *tokens, int32_t *lengths,
                   int32_t *states, const int32_t *limits, int n_uniforms, const double *uniforms,
                   const int32_t *state_of_token, const int64_t *allowed_offsets, const int32_t *allowed_tokens,
                   int eos, float temperature) {
    Workspace w = open_workspace(e, n_slots);
    int slots[n_slots], rows[n_slots], positions[n_slots], n_running = 0, next = 0;
    int32_t reads[n_slots], *prompts = allocate(4 * (size_t)n);
    memcpy(prompts, lengths, 4 * (size_t)n);
    for (int s = 0; s < n_slots; s++) slots[s] = s;
    for (;;) {
        for (; n_running < n_slots && next < n; next++)
            if (lengths[next] < limits[next]) rows[n_running] = next, positions[n_running++] = 0;
        if (!n_running) break;
        for (int r = 0; r < n_running; r++) reads[r] = tokens[(size_t)rows[r] * stride + positions[r]];
        step(e, &w, n_running, slots, reads, positions);
        for (int r = n_running - 1; r >= 0; r--) {
            const int row = rows[r];
            if (++positions[r] < lengths[row]) continue; /* still in the prompt */
            const int64_t first = allowed_offsets[states[row]], n_allowed = allowed_offsets[states[row] + 1] - first;
            score_tokens(e, &w, w.hidden + (size_t)r * e->width, n_allowed, allowed_tokens + first);
            const double u = uniforms[(size_t)row * n_uniforms + lengths[row] - prompts[row]];
            const int32_t token = allowed_tokens[first + draw(w.logits, n_allowed, temperature, u)];
            tokens[(size_t)row * stride + lengths[row]++] = token;
            if (state_of_token[token] >= 0) states[row] = state_of_token[token];
            if (token != eos && lengths[row] < limits[row]) continue;
            const int slot = slots[r]; /* the last row takes this place; the slot is free */
            n_running--;
            rows[r] = rows[n_running], positions[r] = positions[n_running], slots[r] = slots[n_running];
            slots[n_running] = slot;
        }
    }
    free(prompts);
    close_workspace(&w);
}
