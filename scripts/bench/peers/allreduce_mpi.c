/* Open MPI's side of `bench -- allreduce`: for each number of bytes in the arguments, the seconds of each in-place MPI_Allreduce on rank 0. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

static int calls_of(double bytes) {
  double calls = 134217728.0 / bytes;
  return calls < 7 ? 7 : calls > 500 ? 500 : (int)(calls + 0.5);
}

static void verify(float *array, long n, int rank, int size) {
  for (long i = 0; i < n; i++) array[i] = (float)(i % 1021 + rank);
  MPI_Allreduce(MPI_IN_PLACE, array, (int)n, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
  for (long i = 0; i < n; i++) {
    if (array[i] == (float)(size * (i % 1021) + size * (size - 1) / 2)) continue;
    fprintf(stderr, "MPI_Allreduce of %ld floats: element %ld is %g\n", n, i, array[i]);
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  for (long i = 0; i < n; i++) array[i] = 0;
}

int main(int argc, char **argv) {
  int rank, size;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (rank == 0) printf("[");
  for (int a = 1; a < argc; a++) {
    long n = atol(argv[a]) / 4;
    int calls = calls_of(4.0 * n);
    float *array = malloc(4 * n);
    verify(array, n, rank, size);
    if (rank == 0) printf("%s{\"bytes\": %ld, \"seconds\": [", a > 1 ? ", " : "", 4 * n);
    for (int i = -2; i < calls; i++) {
      double start = MPI_Wtime();
      MPI_Allreduce(MPI_IN_PLACE, array, (int)n, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
      double seconds = MPI_Wtime() - start;
      if (rank == 0 && i >= 0) printf("%s%.9f", i > 0 ? ", " : "", seconds);
    }
    verify(array, n, rank, size);
    if (rank == 0) printf("]}");
    free(array);
  }
  if (rank == 0) printf("]\n");
  MPI_Finalize();
  return 0;
}
