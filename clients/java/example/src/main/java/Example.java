import io.github.signetlicensing.client.Config;
import io.github.signetlicensing.client.License;
import io.github.signetlicensing.client.LicenseException;
import io.github.signetlicensing.client.Options;
import io.github.signetlicensing.client.State;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A command line app with a license. Reads {@code signet-app.json} from the working directory. */
public final class Example {
  private static final String USAGE =
      "usage: Example status | activate KEY | run | offline-request | import FILE | deactivate |"
          + " diagnose";

  private Example() {}

  public static void main(String[] arguments) throws Exception {
    Config config = Config.read(Path.of("signet-app.json"));
    Options options = new Options().appVersion("1.0.0");
    try (License license = License.open(config, options)) {
      String command = arguments.length == 0 ? "status" : arguments[0];
      perform(license, command, arguments.length > 1 ? arguments[1] : "");
    } catch (LicenseException error) {
      System.err.println("error: " + error.getMessage());
      System.exit(1);
    }
  }

  private static void perform(License license, String command, String argument)
      throws IOException, InterruptedException, LicenseException {
    switch (command) {
      case "status":
        System.out.println(describe(license.state()));
        break;
      case "activate":
        System.out.println(describe(license.activate(argument)));
        break;
      case "run":
        run(license);
        break;
      case "offline-request":
        System.out.println(license.offlineRequest());
        break;
      case "import":
        byte[] file = Files.readAllBytes(Path.of(argument));
        System.out.println(describe(license.importLicenseFile(file)));
        break;
      case "deactivate":
        System.out.println(describe(license.deactivate()));
        break;
      case "diagnose":
        System.out.print(license.diagnose());
        break;
      default:
        System.err.println(USAGE);
    }
  }

  /** Works for as long as the license allows it. */
  private static void run(License license) throws InterruptedException {
    license.onChange(state -> System.out.println(describe(state)));
    System.out.println(describe(license.state()));
    while (license.state().mayRun()) {
      System.out.println(license.has("export.pdf") ? "exports a PDF" : "exports a text");
      Thread.sleep(5_000);
    }
  }

  /** Returns what the app shows its user. */
  private static String describe(State state) {
    switch (state.kind()) {
      case ACTIVE:
        return state.inGrace()
            ? "Your license has expired. Renew it by " + state.graceEndsAt().orElseThrow()
            : "Licensed";
      case OFFLINE:
        return "Licensed, without contact to the license server ("
            + state.reason().orElseThrow()
            + "). Connect by "
            + state.until().orElseThrow();
      case EXPIRED:
        return "Your license has ended. Connect to the internet, or renew it";
      case REFUSED:
        String code = state.code().orElseThrow();
        return code.equals("wrong_product")
            ? "This license key is for another product"
            : "Your license cannot be used: " + code;
      case CLOCK_TAMPERED:
        return "The clock of this computer was set back. Connect to the internet";
      default:
        return state.reason().map(Example::describeActivation).orElse("Enter your license key");
    }
  }

  /** Returns what the app shows while the stored license key is not activated. */
  private static String describeActivation(String reason) {
    return reason.equals("not_contacted")
        ? "Activating"
        : "No connection to the license server (" + reason + "). The app tries again by itself";
  }
}
