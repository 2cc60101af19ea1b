// Feeds AWS's own Random Cut Forest for Java with rows of float32 and scores others: TRAIN ROWS DIMENSIONS SCORES.
// Prints the CPU seconds of the scoring, after as many rows have warmed the compiler up.
import com.amazon.randomcutforest.RandomCutForest;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;

public class ScoreForest {
    public static void main(String[] given) throws Exception {
        int dimensions = Integer.parseInt(given[2]);
        float[][] train = read(given[0], dimensions), rows = read(given[1], dimensions);
        RandomCutForest forest = RandomCutForest.builder().numberOfTrees(100).sampleSize(256).dimensions(dimensions)
            .randomSeed(0).parallelExecutionEnabled(false).boundingBoxCacheFraction(1.0).build();
        for (float[] row : train) forest.update(row);
        for (float[] row : rows) forest.getAnomalyScore(row);
        ByteBuffer out = ByteBuffer.allocate(8 * rows.length).order(ByteOrder.LITTLE_ENDIAN);
        double began = cpu();
        for (float[] row : rows) out.putDouble(forest.getAnomalyScore(row));
        System.out.println(cpu() - began);
        Files.write(Path.of(given[3]), out.array());
    }

    static double cpu() {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        return system.getProcessCpuTime() / 1e9;
    }

    static float[][] read(String path, int dimensions) throws Exception {
        FloatBuffer values = ByteBuffer.wrap(Files.readAllBytes(Path.of(path))).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
        float[][] rows = new float[values.remaining() / dimensions][dimensions];
        for (float[] row : rows) values.get(row);
        return rows;
    }
}
