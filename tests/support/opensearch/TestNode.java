import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;

import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.Plugin;

/**
 * One OpenSearch node in one process: settings from a file, its HTTP address on standard output, its end with that of standard input.
 *
 * <p>Arguments: the node's home, its configuration directory (with opensearch.yml), and the class names of plugins that are on the class path.
 */
public final class TestNode extends Node {
    private TestNode(Environment environment, List<Class<? extends Plugin>> plugins) {
        super(environment, plugins, false);
    }

    public static void main(String[] arguments) throws Exception {
        Path home = Path.of(arguments[0]);
        Path configuration = Path.of(arguments[1]);
        List<Class<? extends Plugin>> plugins = new ArrayList<>();
        for (int index = 2; index < arguments.length; index++) {
            plugins.add(Class.forName(arguments[index]).asSubclass(Plugin.class));
        }
        // OpenSearch's own launcher says the same: what is logged before this would be refused.
        System.setProperty("opensearch.path.conf", configuration.toString());
        Settings settings = Settings.builder().put("path.home", home.toString()).build();
        Environment environment =
            InternalSettingsPreparer.prepareEnvironment(settings, new HashMap<>(), configuration, () -> "test");
        Files.createDirectories(environment.tmpFile());
        TestNode node = new TestNode(environment, plugins);
        node.start();
        System.out.println(node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress());
        System.out.flush();
        waitForEnd();
        node.close();
        System.exit(0);
    }

    private static void waitForEnd() throws IOException {
        while (System.in.read() >= 0) {
            continue;
        }
    }
}
