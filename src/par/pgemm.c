/* The only file that calls ScaLAPACK and BLACS.
 *
 * A row-major [rows, cols] matrix is the column-major [cols, rows] matrix in the same memory, so rows here are columns there, and the
 * process grid is transposed with them.
 *
 * What psgemr2d asks for, from its source (ScaLAPACK 2.2, REDIST/SRC/psgemr.c):
 * - The context given last must cover all ranks of both grids and all of them must call.  If it is not one row of processes, a new
 *   context is made on every call; so it is one row here.
 * - A rank outside of a matrix's grid says so by context -1 in the descriptor.  A rank inside it that holds nothing still needs a
 *   leading dimension of at least 1.
 * - It allocates a buffer as large as the local part for each side, ends the process when it cannot have it, and up to 2.2.1 counts their
 *   bytes in int.  Bands of the matrix keep them small.
 * - 10^8 stands for "not known" in what ranks tell each other: larger dimensions end the process.
 * - Local addresses are int.
 * What psgesvd asks for (SRC/psgesvd.f): square blocks that begin at the first element; the same values on all ranks of the grid, or it
 * reports that the machines differ.  It gives sbdsqr 2 n floats of workspace where that needs 4 n without vectors, and enough only where
 * the rank's part is large.  Workspace sizes come back as float, which does not hold every int.
 * What BLACS asks for: making a context is collective over the whole system context, members of the grid or not.  Freeing a system handle
 * may renumber the others once there were many (BLACS/SRC/free_handle_.c), so a handle lives only while a context is being made.  BLACS
 * ignores the return codes of MPI, so its communicators have an error handler that ends the program. */
#include "dgm/pgemm.h"

#include "dgm/log.h"
#include "mpi_call.h"

#include <limits.h>
#include <stdlib.h>

/* ScaLAPACK ships no header for C. */
int Csys2blacs_handle(MPI_Comm comm);
void Cfree_blacs_system_handle(int handle);
void Cblacs_gridmap(int *context, int *map, int ld_map, int n_rows, int n_cols);
void Cblacs_gridexit(int context);
void Cblacs_set(int context, int what, int *value);
void Cpsgemr2d(int m, int n, float *a, int ia, int ja, int *desc_a, float *b, int ib, int jb, int *desc_b, int context);
void psgeqrf_(const int *m, const int *n, float *a, const int *ia, const int *ja, const int *desc, float *tau, float *work, const int *n_work,
              int *info);
void psgelqf_(const int *m, const int *n, float *a, const int *ia, const int *ja, const int *desc, float *tau, float *work, const int *n_work,
              int *info);
void pslaset_(const char *uplo, const int *m, const int *n, const float *off_diagonal, const float *diagonal, float *a, const int *ia,
              const int *ja, const int *desc, size_t uplo_length);
void psgesvd_(const char *job_u, const char *job_vt, const int *m, const int *n, float *a, const int *ia, const int *ja, const int *desc,
              float *s, float *u, const int *iu, const int *ju, const int *desc_u, float *vt, const int *ivt, const int *jvt,
              const int *desc_vt, float *work, const int *n_work, int *info, size_t job_u_length, size_t job_vt_length);

enum {
    N_DESC = 9,
    TOPOLOGIES_REPEATABLE = 15, TOPOLOGIES_COHERENT = 16, /* Cblacs_set: sums in one order, the same on all ranks */
    MAX_DIMENSION = 100 * 1000 * 1000 - 1,
    BAND_FLOATS = 1 << 22 /* of a rank's part that go through psgemr2d at a time */
};

static const double LONG_RATIO = 5.0 / 3; /* as in LAPACK (ilaenv): beyond it the factorisation pays */

typedef struct {
    int p_rows, p_cols, first_rank;
    int context; /* -1 on ranks outside of it */
} process_grid;

struct dgm_blacs {
    const dgm_grid *grid;
    dgm_axis axis;
    MPI_Comm comm;
    MPI_Errhandler handler;
    int rank, size;
    process_grid *grids; /* the first is the row of all ranks */
    int n_grids;
};

/* ---- contexts ---- */

/* There is no way back through ScaLAPACK's routines to a caller who could return an error. */
static void peer_lost(MPI_Comm *comm, int *code, ...)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int n = 0;
    MPI_Error_string(*code, text, &n);
    dgm_log(DGM_LOG_ERROR, "distributed linear algebra: %s (another rank was lost, or the network failed)", text);
    MPI_Abort(*comm, dgm_error_exit_code(DGM_ERR_PEER));
}

static dgm_err make_context(dgm_blacs *b, process_grid *g)
{
    int n = g->p_rows * g->p_cols;
    int *map = malloc((size_t)n * sizeof *map);
    dgm_err err = map != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "process grid of %d x %d", g->p_rows, g->p_cols);
    err = dgm_coll_agree(b->grid, b->axis, err);
    if (err == DGM_OK) {
        int handle = Csys2blacs_handle(b->comm), on = 1;
        for (int i = 0; i < n; i++) map[i] = g->first_rank + i; /* row i of the grid is column i of ScaLAPACK's */
        g->context = handle;
        Cblacs_gridmap(&g->context, map, g->p_cols, g->p_cols, g->p_rows);
        Cfree_blacs_system_handle(handle);
        if (g->context >= 0) {
            Cblacs_set(g->context, TOPOLOGIES_REPEATABLE, &on);
            Cblacs_set(g->context, TOPOLOGIES_COHERENT, &on);
        }
    }
    free(map);
    return err;
}

/* The context of a process grid, made when it is first asked for. */
static dgm_err find_context(dgm_blacs *b, int p_rows, int p_cols, int first_rank, int *context)
{
    process_grid *g;
    for (g = b->grids; g < b->grids + b->n_grids; g++)
        if (g->p_rows == p_rows && g->p_cols == p_cols && g->first_rank == first_rank) {
            *context = g->context;
            return DGM_OK;
        }
    process_grid *grown = realloc(b->grids, (size_t)(b->n_grids + 1) * sizeof *grown);
    dgm_err err = grown != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "process grid of %d x %d", p_rows, p_cols);
    if (grown != NULL) b->grids = grown;
    DGM_TRY(dgm_coll_agree(b->grid, b->axis, err));
    g = &b->grids[b->n_grids];
    *g = (process_grid){p_rows, p_cols, first_rank, -1};
    DGM_TRY(make_context(b, g));
    b->n_grids++;
    *context = g->context;
    return DGM_OK;
}

static dgm_err start(dgm_blacs *b)
{
    dgm_mpi_axis at = dgm_mpi_axis_of(b->grid, b->axis);
    int started = 0;
    MPI_Initialized(&started);
    if (!started) return DGM_FAIL(DGM_ERR_INTERNAL, "distributed linear algebra needs MPI, also on one rank");
    b->rank = at.rank;
    b->size = at.size;
    DGM_MPI(MPI_Comm_dup(at.comm != MPI_COMM_NULL ? at.comm : MPI_COMM_SELF, &b->comm));
    DGM_MPI(MPI_Comm_create_errhandler(peer_lost, &b->handler));
    DGM_MPI(MPI_Comm_set_errhandler(b->comm, b->handler));
    int line;
    return find_context(b, 1, at.size, 0, &line);
}

dgm_err dgm_blacs_create(const dgm_grid *grid, dgm_axis axis, dgm_blacs **out)
{
    dgm_blacs *b = calloc(1, sizeof *b);
    dgm_err err = b != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "distributed linear algebra");
    if (b != NULL) *b = (dgm_blacs){.grid = grid, .axis = axis, .comm = MPI_COMM_NULL, .handler = MPI_ERRHANDLER_NULL};
    if ((err = dgm_coll_agree(grid, axis, err)) != DGM_OK) goto fail;
    DGM_GOTO(start(b));
    *out = b;
    return DGM_OK;
fail:
    dgm_blacs_destroy(b);
    return err;
}

void dgm_blacs_destroy(dgm_blacs *b)
{
    if (b == NULL) return;
    for (int i = 0; i < b->n_grids; i++)
        if (b->grids[i].context >= 0) Cblacs_gridexit(b->grids[i].context);
    free(b->grids);
    if (b->handler != MPI_ERRHANDLER_NULL) MPI_Errhandler_free(&b->handler);
    if (b->comm != MPI_COMM_NULL) MPI_Comm_free(&b->comm);
    free(b);
}

/* ---- redistribution ---- */

static dgm_err check(const dgm_blacs *b, const dgm_cyclic *c)
{
    int64_t rows, cols;
    if (c->rows < 0 || c->cols < 0 || c->row_block < 1 || c->col_block < 1 || c->p_rows < 1 || c->p_cols < 1 || c->first_rank < 0 ||
        c->first_rank + c->p_rows * c->p_cols > b->size)
        return DGM_FAIL(DGM_ERR_SHAPE, "a %lld x %lld matrix in blocks of %lld x %lld on %d x %d ranks from rank %d, of %d", (long long)c->rows,
                        (long long)c->cols, (long long)c->row_block, (long long)c->col_block, c->p_rows, c->p_cols, c->first_rank, b->size);
    if (c->rows > MAX_DIMENSION || c->cols > MAX_DIMENSION || c->row_block > MAX_DIMENSION || c->col_block > MAX_DIMENSION)
        return DGM_FAIL(DGM_ERR_SHAPE, "a %lld x %lld matrix: ScaLAPACK's psgemr2d takes at most %d rows and columns", (long long)c->rows,
                        (long long)c->cols, MAX_DIMENSION);
    dgm_cyclic_local(c, c->first_rank, &rows, &cols); /* the largest part */
    if (rows > 0 && cols > INT_MAX / rows)
        return DGM_FAIL(DGM_ERR_SHAPE, "a %lld x %lld matrix: %lld x %lld elements on one rank, ScaLAPACK counts up to %d; use more ranks",
                        (long long)c->rows, (long long)c->cols, (long long)rows, (long long)cols, INT_MAX);
    return DGM_OK;
}

/* ScaLAPACK's description of the transpose. */
static void describe(const dgm_cyclic *c, int rank, int context, int desc[N_DESC])
{
    int64_t rows, cols;
    dgm_cyclic_local(c, rank, &rows, &cols);
    int d[N_DESC] = {1, context, (int)c->cols, (int)c->rows, (int)c->col_block, (int)c->row_block, 0, 0, (int)DGM_MAX(cols, 1)};
    for (int i = 0; i < N_DESC; i++) desc[i] = d[i];
}

/* How long the stretches of rows or columns are that one process of the grid holds alone. */
static int64_t stretch(int64_t block, int p) { return p > 1 ? block : 0; }

/* Bands are cut across the dimension that is dealt out in the smaller stretches: across the other one, a band would lie on few ranks. */
static bool cut_rows(const dgm_cyclic *from, const dgm_cyclic *to)
{
    return DGM_MAX(stretch(from->row_block, from->p_rows), stretch(to->row_block, to->p_rows)) <=
           DGM_MAX(stretch(from->col_block, from->p_cols), stretch(to->col_block, to->p_cols));
}

/* Of the dimension that is cut, how much a band takes so that the largest local part of it stays within BAND_FLOATS or so. */
static int64_t band_length(const dgm_cyclic *c, bool by_rows)
{
    int64_t rows, cols;
    dgm_cyclic_local(c, c->first_rank, &rows, &cols);
    return DGM_MAX(1, BAND_FLOATS / DGM_MAX(1, by_rows ? cols : rows)) * (by_rows ? c->p_rows : c->p_cols);
}

dgm_err dgm_pgemm_move(dgm_blacs *b, const dgm_cyclic *from, const float *src, const dgm_cyclic *to, float *dst)
{
    DGM_TRY(check(b, from));
    DGM_TRY(check(b, to));
    if (from->rows != to->rows || from->cols != to->cols)
        return DGM_FAIL(DGM_ERR_SHAPE, "moving a %lld x %lld matrix into %lld x %lld", (long long)from->rows, (long long)from->cols,
                        (long long)to->rows, (long long)to->cols);
    int context_from, context_to, desc_from[N_DESC], desc_to[N_DESC];
    DGM_TRY(find_context(b, from->p_rows, from->p_cols, from->first_rank, &context_from));
    DGM_TRY(find_context(b, to->p_rows, to->p_cols, to->first_rank, &context_to));
    describe(from, b->rank, context_from, desc_from);
    describe(to, b->rank, context_to, desc_to);
    bool by_rows = cut_rows(from, to);
    int64_t length = by_rows ? from->rows : from->cols, across = by_rows ? from->cols : from->rows;
    int64_t step = DGM_MIN(band_length(from, by_rows), band_length(to, by_rows));
    for (int64_t at = 0; at < length; at += step) {
        int n = (int)DGM_MIN(step, length - at), col = by_rows ? 1 : (int)at + 1, row = by_rows ? (int)at + 1 : 1;
        /* psgemr2d only reads `a`; its C prototype does not say so */
        Cpsgemr2d(by_rows ? (int)across : n, by_rows ? n : (int)across, (float *)(uintptr_t)src, col, row, desc_from, dst, col, row, desc_to,
                  b->grids[0].context);
    }
    return DGM_OK;
}

/* ---- singular values ---- */

static const int ONE = 1, QUERY = -1;

/* A workspace of the size that ScaLAPACK answered as float, rounded up, and `more` floats beyond. */
static dgm_err make_work(float answer, int64_t more, int *n, float **work)
{
    double size = (double)answer * (1 + 0x1p-22) + 1 + (double)more;
    *work = size <= INT_MAX ? malloc((size_t)size * sizeof **work) : NULL;
    if (*work == NULL) return DGM_FAIL(DGM_ERR_NOMEM, "%.0f floats of workspace for singular values", size);
    *n = (int)size;
    return DGM_OK;
}

static dgm_err check_info(const char *routine, int info)
{
    if (info == 0) return DGM_OK;
    if (info < 0) return DGM_FAIL(DGM_ERR_INTERNAL, "ScaLAPACK's %s refuses its argument %d", routine, info <= -100 ? -info / 100 : -info);
    return DGM_FAIL(DGM_ERR_NUMERIC, "ScaLAPACK's %s: singular values did not converge, or differ between ranks on unlike processors (info %d)",
                    routine, info);
}

/* Routines of ScaLAPACK are collective over the ranks of the process grid (context >= 0): memory is asked for and agreed on by all ranks of
 * the axis before each, so that none waits in one for a rank that has failed. */

/* A long matrix has the singular values of the triangle that is left of it after an orthogonal factorisation, which is nearly all matrix
 * products; LAPACK's sgesvd does so itself, ScaLAPACK's does not.  m x n as ScaLAPACK sees it; on return the triangle lies in the leading
 * square, zeros in its other half. */
static dgm_err to_triangle(const dgm_blacs *b, bool inside, int m, int n, float *a, const int *desc, int64_t tau_floats)
{
    bool tall = m > n;
    int k = DGM_MIN(m, n), below = k - 1, two = 2, info = 0, n_work = 0;
    float answer = 0, zero = 0, *work = NULL;
    void (*factor)(const int *, const int *, float *, const int *, const int *, const int *, float *, float *, const int *, int *) =
        tall ? psgeqrf_ : psgelqf_;
    float *tau = malloc((size_t)DGM_MAX(tau_floats, 1) * sizeof *tau);
    dgm_err err = tau != NULL ? DGM_OK : DGM_FAIL(DGM_ERR_NOMEM, "%lld reflectors of a matrix", (long long)tau_floats);
    if ((err = dgm_coll_agree(b->grid, b->axis, err)) != DGM_OK) goto done;
    if (inside) {
        factor(&m, &n, a, &ONE, &ONE, desc, tau, &answer, &QUERY, &info);
        err = check_info("psgeqrf", info);
        if (err == DGM_OK) err = make_work(answer, 0, &n_work, &work);
    }
    if ((err = dgm_coll_agree(b->grid, b->axis, err)) != DGM_OK || !inside) goto done;
    factor(&m, &n, a, &ONE, &ONE, desc, tau, work, &n_work, &info);
    if ((err = check_info("psgeqrf", info)) != DGM_OK) goto done;
    pslaset_(tall ? "L" : "U", &below, &below, &zero, &zero, a, tall ? &two : &ONE, tall ? &ONE : &two, desc, 1);
done:
    free(work);
    free(tau);
    return err;
}

static dgm_err bidiagonal_values(const dgm_blacs *b, bool inside, int m, int n, float *a, const int *desc, float *values)
{
    int info = 0, n_work = 0;
    float answer[2] = {0}, *work = NULL, none = 0;
    dgm_err err = DGM_OK;
    if (inside) {
        psgesvd_("N", "N", &m, &n, a, &ONE, &ONE, desc, values, &none, &ONE, &ONE, desc, &none, &ONE, &ONE, desc, answer, &QUERY, &info, 1, 1);
        err = check_info("psgesvd", info);
        if (err == DGM_OK) err = make_work(answer[0], 4 * (int64_t)DGM_MIN(m, n), &n_work, &work);
    }
    err = dgm_coll_agree(b->grid, b->axis, err);
    if (err == DGM_OK && inside) {
        psgesvd_("N", "N", &m, &n, a, &ONE, &ONE, desc, values, &none, &ONE, &ONE, desc, &none, &ONE, &ONE, desc, work, &n_work, &info, 1, 1);
        err = check_info("psgesvd", info);
    }
    free(work);
    return err;
}

dgm_err dgm_psvd_values(dgm_blacs *b, const dgm_cyclic *c, float *part, float *values)
{
    int context, desc[N_DESC];
    int64_t rows, cols;
    DGM_TRY(check(b, c));
    if (c->row_block != c->col_block || c->first_rank != 0)
        return DGM_FAIL(DGM_ERR_SHAPE, "singular values of a matrix in blocks of %lld x %lld from rank %d: expected square blocks from rank 0",
                        (long long)c->row_block, (long long)c->col_block, c->first_rank);
    DGM_TRY(find_context(b, c->p_rows, c->p_cols, c->first_rank, &context));
    describe(c, b->rank, context, desc);
    dgm_cyclic_local(c, b->rank, &rows, &cols);
    int m = (int)c->cols, n = (int)c->rows, k = DGM_MIN(m, n);
    if (k == 0) return DGM_OK;
    if ((double)DGM_MAX(m, n) > LONG_RATIO * k) {
        DGM_TRY(dgm_coll_agree(b->grid, b->axis, to_triangle(b, context >= 0, m, n, part, desc, DGM_MAX(rows, cols))));
        m = n = k;
    }
    DGM_TRY(dgm_coll_agree(b->grid, b->axis, bidiagonal_values(b, context >= 0, m, n, part, desc, values)));
    return dgm_coll_broadcast(b->grid, b->axis, 0, values, k * (int64_t)sizeof *values);
}
