package io.github.signetlicensing.client;

import java.nio.file.Path;

/** Opens a license, waits for the end of its input, and ends without closing the license. */
final class ExitProgram {
  private ExitProgram() {}

  public static void main(String[] arguments) throws Exception {
    Options options = new Options().folder(Path.of(arguments[1])).machineId("machine-1");
    License.open(Conformance.config().withApiUrl(arguments[0]), options);
    System.in.transferTo(System.out);
  }
}
