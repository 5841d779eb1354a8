// The newest Grafana that was published when this was written.
import * as s from "@grafana/schema";
import * as stat from "./node_modules/@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen";
import * as timeseries from "./node_modules/@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen";
import * as table from "./node_modules/@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen";
import * as geomap from "./node_modules/@grafana/schema/dist/types/raw/composable/geomap/panelcfg/x/types.gen";
export interface Root {
  dashboard: s.Dashboard; panel: s.Panel; link: s.DashboardLink; variable: s.VariableModel; mapping: s.ValueMapping; thresholds: s.ThresholdsConfig;
  stat: stat.Options; timeseries: timeseries.Options; table: table.Options; geomap: geomap.Options; layer: s.MapLayerOptions;
  timeseriesCustom: timeseries.FieldConfig; tableCustom: table.FieldConfig; geomapCustom: s.HideableFieldConfig;
}
