/* GPT-2, one token at a time for a few sequences at once, sampled under a grammar. One thread, no globals.

   Each sum is taken in an order that depends on its own sequence alone, so a sequence gets the same bits
   whatever runs beside it. Sequences take turns in a few slots, so that their keys and values stay in the
   processor's cache. */
#include "vectors.h"

typedef struct { const float *norm1, *norm2; Matrix attend, attended, widen, narrow; } Layer;
typedef struct {
    int vocab, n_positions, width, n_layers, n_heads;
    const float *tokens, *positions, *norm; /* embeddings; last layer norm: weights, then biases */
    word *head;                             /* token embeddings as words, by token */
    Layer *layers;
    float *weights;
} Engine;
typedef struct { /* what a step needs; keys and values lie by slot and layer */
    float *hidden, *wide, *scores, *logits;
    word *packed, *scratch, *keys, *values;
    size_t n_cached; /* words of the keys, and of the values, of one layer and slot */
} Workspace;

static void normalise(const float *norm, const float *x, int width, float *out) {
    const float mean = total(x, width) / width;
    for (int i = 0; i < width; i += LANES) store(out + i, (load(x + i) - mean) * (load(x + i) - mean));
    const float scale = 1.0f / sqrtf(total(out, width) / width + 1e-5f);
    for (int i = 0; i < width; i += LANES)
        store(out + i, (load(x + i) - mean) * scale * load(norm + i) + load(norm + width + i));
}

static void apply_gelu(float *x, int n) { /* tanh form: x / (1 + exp(-2 sqrt(2 / pi) (x + 0.044715 x^3))) */
    const vec most = (vec){0} + 80.0f;
    for (int i = 0; i < n; i += LANES) {
        const vec v = load(x + i), z = v * -1.5957691216f * (1.0f + 0.044715f * v * v);
        store(x + i, v / (1.0f + exponential(-larger(-larger(z, -most), -most))));
    }
}

/* to += vectors[k] * factors[k] for a few k, a multiple of 4 */
static inline void add_products(float *to, int n, const word *vectors, int stride, const word *factors) {
    sums s[4] = {0};
    for (int k = 0; k < n; k += 4)
        for (int j = 0; j < 4; j++, vectors += stride) {
            s[j] = dot(s[j], load_words(vectors), repeat(factors[k + j]));
        }
    add(to, (s[0] + s[1]) + (s[2] + s[3]));
}

static void apply_softmax(float *x, int n, int n_padded) { /* what pads becomes 0 */
    vec highest = (vec){0} - 1e30f;
    for (int t = n; t < n_padded; t++) x[t] = -1e30f;
    for (int t = 0; t < n_padded; t += LANES) highest = larger(highest, load(x + t));
    for (int i = 1; i < LANES; i++) highest[0] = highest[i] > highest[0] ? highest[i] : highest[0];
    for (int t = 0; t < n_padded; t += LANES)
        store(x + t, exponential(larger(load(x + t) - highest[0], (vec){0} - 80.0f)));
    for (int t = n; t < n_padded; t++) x[t] = 0.0f;
    const float scale = 1.0f / total(x, n_padded);
    for (int t = 0; t < n_padded; t += LANES) store(x + t, load(x + t) * scale);
}

/* All heads of one row. Keys lie [block of WORDS positions][n_words][position in the block], values
   [position / PER_WORD][width]: neither needs sums across lanes, and both are read from end to end. */
static void attend(const Engine *e, Workspace *w, const float *query, int n, const word *keys,
                   const word *values, float *out) {
    enum { STRIDE = WORDS / PER_WORD };
    const int width = e->width, head_width = width / e->n_heads, head_words = head_width / PER_WORD;
    const int n_padded = (n + WORDS - 1) / WORDS * WORDS, n_weights = n_padded / PER_WORD;
    const int chunk = head_words < CHUNK ? head_words : CHUNK;
    const float scale = 1.0f / sqrtf((float)head_width);
    for (int i = 0; i < width; i++) out[i] = query[i] * scale;
    pack_row(w->scratch, out, width);
    memset(w->scores, 0, e->n_heads * n_padded * sizeof *w->scores);
    memset(out, 0, width * sizeof *out);
    for (int t = 0; t < n_padded; t += WORDS)
        for (int i = 0; i < width / PER_WORD; i += chunk, keys += chunk * WORDS)
            add_products(w->scores + i / head_words * n_padded + t, chunk, keys, WORDS, w->scratch + i);
    for (int h = 0; h < e->n_heads; h++) apply_softmax(w->scores + h * n_padded, n, n_padded);
    pack_row(w->scratch, w->scores, e->n_heads * n_padded);
    for (int t = 0; t < n_weights; t += STRIDE, values += STRIDE * width)
        for (int i = 0; i < width; i += WORDS)
            add_products(out + i, STRIDE, values + i, width, w->scratch + i / head_width * n_weights + t);
}

/* One step of some rows: row r is in slot slots[r], reads tokens[r] at positions[r]; leaves w->hidden. */
static void step(const Engine *e, Workspace *w, int n_rows, const int *slots, const int32_t *tokens,
                 const int *positions) {
    const int width = e->width, n_words = width / PER_WORD;
    float *hidden = w->hidden, *wide = w->wide, *row = w->scores;
    for (int r = 0; r < n_rows; r++)
        for (int i = 0; i < width; i++)
            hidden[r * width + i] = e->tokens[(size_t)tokens[r] * width + i]
                                    + e->positions[(size_t)positions[r] * width + i];
    for (int l = 0; l < e->n_layers; l++) {
        const Layer *layer = &e->layers[l];
        for (int r = 0; r < n_rows; r++) {
            normalise(layer->norm1, hidden + r * width, width, row);
            pack_row(w->packed + r * n_words, row, width);
        }
        multiply(&layer->attend, n_rows, w->packed, wide);
        for (int r = 0; r < n_rows; r++) {
            const int t = positions[r];
            const float *query = wide + (size_t)r * 3 * width;
            const size_t cache = ((size_t)slots[r] * e->n_layers + l) * w->n_cached;
            word *keys = w->keys + cache, *values = w->values + cache;
            pack_row(w->scratch, query + width, width);
            word *key = keys + t / WORDS * n_words * WORDS + t % WORDS;
            for (int i = 0; i < n_words; i++) key[i * WORDS] = w->scratch[i];
            pack_row(w->scratch, query + 2 * width, width);
            element *value = (element *)(values + t / PER_WORD * width) + t % PER_WORD;
            for (int i = 0; i < width; i++) value[i * PER_WORD] = ((element *)w->scratch)[i];
            attend(e, w, query, t + 1, keys, values, hidden + (n_rows + r) * width); /* its second half */
        }
        pack_row(w->packed, hidden + n_rows * width, n_rows * width);
        multiply(&layer->attended, n_rows, w->packed, wide);
        for (int i = 0; i < n_rows * width; i++) hidden[i] += wide[i];
        for (int r = 0; r < n_rows; r++) {
            normalise(layer->norm2, hidden + r * width, width, row);
            pack_row(w->packed + r * n_words, row, width);
        }
        multiply(&layer->widen, n_rows, w->packed, wide);
        apply_gelu(wide, n_rows * 4 * width);
        pack_row(w->packed, wide, n_rows * 4 * width);
        multiply(&layer->narrow, n_rows, w->packed, wide);
        for (int i = 0; i < n_rows * width; i++) hidden[i] += wide[i];
    }
    for (int r = 0; r < n_rows; r++) {
        normalise(e->norm, hidden + r * width, width, row);
        memcpy(hidden + r * width, row, width * sizeof *row);
    }
}

/* logits of n tokens (NULL: of the first n) after the state `hidden` */
static void score_tokens(const Engine *e, Workspace *w, const float *hidden, int64_t n,
                         const int32_t *tokens) {
    const int n_words = e->width / PER_WORD;
    pack_row(w->packed, hidden, e->width);
    for (int64_t i = 0; i < n; i++) {
        const word *row = e->head + (size_t)(tokens ? tokens[i] : i) * n_words;
        sums s = {0};
        float lanes[WORDS] = {0};
        for (int k = 0; k < n_words; k += WORDS) s = dot(s, load_words(row + k), load_words(w->packed + k));
        add(lanes, s);
        w->logits[i] = total(lanes, WORDS);
    }
}

/* index of one of n logits (with room for LANES more) by the inverse of their cumulated probabilities at u */
static int64_t draw(float *logits, int64_t n, float temperature, double u) {
    float highest = logits[0];
    double all = 0.0, below = 0.0;
    for (int64_t i = 1; i < n; i++) highest = logits[i] > highest ? logits[i] : highest;
    for (int64_t i = 0; i < n; i += LANES)
        store(logits + i, exponential(larger((load(logits + i) - highest) / temperature, (vec){0} - 80.0f)));
    for (int64_t i = 0; i < n; i++) all += logits[i];
    for (int64_t i = 0; i < n - 1; i++)
        if ((below += logits[i]) > u * all) return i;
    return n - 1;
}

static Workspace open_workspace(const Engine *e, int n_slots, int n_positions) {
    const int n_padded = (n_positions + WORDS - 1) / WORDS * WORDS, n_wide = 4 * e->width * n_slots;
    const int n_row = e->n_heads * n_padded > e->width ? e->n_heads * n_padded : e->width;
    Workspace w = {.n_cached = (size_t)n_padded * e->width / PER_WORD};
    const size_t n_cache = w.n_cached * e->n_layers * n_slots;
    w.hidden = allocate(2 * e->width * n_slots * sizeof(float));
    w.wide = allocate(n_wide * sizeof(float));
    w.scores = allocate(n_row * sizeof(float));
    w.logits = allocate((e->vocab + LANES) * sizeof(float));
    w.packed = allocate(n_wide * sizeof(element));
    w.scratch = allocate(n_row * sizeof(element));
    w.keys = allocate(n_cache * sizeof(word));
    w.values = allocate(n_cache * sizeof(word));
    return w;
}
static void close_workspace(Workspace *w) {
    void *parts[] = {w->hidden, w->wide, w->scores, w->logits, w->packed, w->scratch, w->keys, w->values};
    for (int i = 0; i < 8; i++) free(parts[i]);
}

/* sizes: vocabulary, positions, width, layers, heads; weights in the order of use, embeddings first */
Engine *engine_open(const int32_t *sizes, const float *weights, int64_t n_weights) {
    Engine *e = allocate(sizeof *e);
    e->vocab = sizes[0], e->n_positions = sizes[1], e->width = sizes[2];
    e->n_layers = sizes[3], e->n_heads = sizes[4];
    e->weights = memcpy(allocate(n_weights * sizeof *weights), weights, n_weights * sizeof *weights);
    const float *next = e->weights;
    const int width = e->width;
    e->tokens = next, next += (size_t)e->vocab * width;
    e->positions = next, next += (size_t)e->n_positions * width;
    e->head = allocate((size_t)e->vocab * width * sizeof(element));
    for (int i = 0; i < e->vocab; i++)
        pack_row(e->head + (size_t)i * width / PER_WORD, e->tokens + (size_t)i * width, width);
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
    for (Layer *l = e->layers; l < e->layers + e->n_layers; l++)
        free(l->attend.panels), free(l->attended.panels), free(l->widen.panels), free(l->narrow.panels);
    free(e->layers), free(e->head), free(e->weights), free(e);
}

/* logits after each token of one sequence, [n][vocab] */
void engine_logits(const Engine *e, int n, const int32_t *tokens, float *out) {
    Workspace w = open_workspace(e, 1, n);
    for (int t = 0, slot = 0; t < n; t++) {
        step(e, &w, 1, &slot, tokens + t, &t);
        score_tokens(e, &w, w.hidden, e->vocab, NULL);
        memcpy(out + (size_t)t * e->vocab, w.logits, e->vocab * sizeof *out);
    }
    close_workspace(&w);
}

/* Go on with n sequences, `n_slots` at a time. tokens: [n][stride], the prompts at the start of each row,
   which is filled; lengths: [n], those of the prompts, then of the whole; states: [n], after the prompts;
   limits: [n], greatest lengths; uniforms: [n][n_uniforms], one per sampled token; then a `Grammar`. */
void engine_sample(const Engine *e, int n, int n_slots, int stride, int32_t *tokens, int32_t *lengths,
                   int32_t *states, const int32_t *limits, int n_uniforms, const double *uniforms,
                   const int32_t *state_of_token, const int64_t *allowed_offsets,
                   const int32_t *allowed_tokens, int eos, float temperature) {
    Workspace w = open_workspace(e, n_slots, stride);
    int slots[n_slots], rows[n_slots], positions[n_slots], n_sampled[n_slots], n_running = 0, next = 0;
    int32_t reads[n_slots];
    for (int s = 0; s < n_slots; s++) slots[s] = s;
    for (;;) {
        for (; n_running < n_slots && next < n; next++)
            if (lengths[next] < limits[next])
                rows[n_running] = next, n_sampled[n_running] = 0, positions[n_running++] = 0;
        if (!n_running) break;
        for (int r = 0; r < n_running; r++) reads[r] = tokens[(size_t)rows[r] * stride + positions[r]];
        step(e, &w, n_running, slots, reads, positions);
        for (int r = n_running - 1; r >= 0; r--) {
            const int row = rows[r];
            if (++positions[r] < lengths[row]) continue; /* still in the prompt */
            const int64_t *offsets = allowed_offsets + states[row], n_allowed = offsets[1] - offsets[0];
            const int32_t *allowed = allowed_tokens + offsets[0];
            score_tokens(e, &w, w.hidden + r * e->width, n_allowed, allowed);
            const double u = uniforms[(size_t)row * n_uniforms + n_sampled[r]++];
            const int32_t token = allowed[draw(w.logits, n_allowed, temperature, u)];
            tokens[(size_t)row * stride + lengths[row]++] = token;
            if (state_of_token[token] >= 0) states[row] = state_of_token[token];
            if (token != eos && lengths[row] < limits[row]) continue;
            const int slot = slots[r]; /* free; the last row takes this place */
            n_running--;
            rows[r] = rows[n_running], positions[r] = positions[n_running];
            n_sampled[r] = n_sampled[n_running], slots[r] = slots[n_running];
            slots[n_running] = slot;
        }
    }
    close_workspace(&w);
}
